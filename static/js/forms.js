// Owns what scripts add to forms: they work the same without.

// A form with edits asks once before it is left.
export function watchForms(body) {
  let dirty = false;
  for (const form of document.querySelectorAll("form[data-dirty]")) {
    form.addEventListener("input", () => { dirty = true; });
    form.addEventListener("submit", () => { dirty = false; });
  }
  addEventListener("beforeunload", (event) => {
    if (dirty) {
      event.preventDefault();
      event.returnValue = body.dataset.leave;
    }
  });
  // A second press would be a second action.
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", () => {
      for (const button of form.querySelectorAll("button")) setTimeout(() => { button.disabled = true; });
    });
  }
  addEventListener("pageshow", (event) => {
    if (event.persisted) for (const button of document.querySelectorAll("form button")) button.disabled = false;
  });
  document.getElementById("form-errors")?.focus();
}

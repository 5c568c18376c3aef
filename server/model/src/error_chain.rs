//! An error with its causes on one line; every floor that stops an error prints it so.

use std::error::Error;

/// All messages of a chain, outermost first: `what: why: deeper why`. A cause whose text the message
/// before it already ends with is not said twice.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Level(&'static str, #[source] Option<Box<Level>>);

    #[test]
    fn causes_follow_and_are_said_once() {
        let cause = Level("disk full", None);
        let middle = Level("cannot write x: disk full", Some(Box::new(cause)));
        let error = Level("the import failed", Some(Box::new(middle)));
        assert_eq!(error_chain(&error), "the import failed: cannot write x: disk full");
    }
}

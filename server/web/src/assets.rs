//! Style sheets, scripts and icons, built by npm into `static/dist` and put into the binary.
//!
//! Each has an address with its digest in it and may be kept by browsers for ever.

use actix_web::{HttpResponse, http::header, web};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../static/dist"]
struct Dist;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(6).map(|b| format!("{b:02x}")).collect()
}

/// An asset's address; a name that does not exist gives an address that answers 404 (a test looks).
pub(crate) fn address(name: &str) -> String {
    let digest = Dist::get(name).map(|file| hex(&file.metadata.sha256_hash())).unwrap_or_default();
    format!("/static/{digest}/{name}")
}

/// The address of an icon in the sprite.
pub(crate) fn icon(name: &str) -> String {
    static SPRITE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    format!("{}#i-{name}", SPRITE.get_or_init(|| address("icons.svg")))
}

/// `GET /static/{digest}/{name}`.
pub(crate) async fn serve(path: web::Path<(String, String)>) -> HttpResponse {
    let (digest, name) = path.into_inner();
    match Dist::get(&name) {
        Some(file) if hex(&file.metadata.sha256_hash()) == digest => HttpResponse::Ok()
            .content_type(content_type(&name))
            .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .body(file.data.into_owned()),
        _ => HttpResponse::NotFound().content_type("text/plain").body("no such file\n"),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_that_a_page_names_is_there() {
        for name in ["app.css", "app.js", "console.css", "console.js", "icons.svg"] {
            assert!(Dist::get(name).is_some(), "static/dist/{name} is missing: run scripts/build");
        }
    }

    #[test]
    fn every_icon_is_in_the_sprite() {
        let sprite = Dist::get("icons.svg").unwrap();
        let sprite = String::from_utf8(sprite.data.into_owned()).unwrap();
        let mut sources = String::new();
        crate::text::tests::read_all("../../templates".as_ref(), &mut sources);
        let mut seen = 0;
        let statuses = model::ContainerStatus::ALL
            .map(|s| crate::pages::containers::StatusView::of(crate::text::Language::En, s).icon);
        let in_pages = sources.split("icon(f, \"").skip(1).filter_map(|rest| rest.split('"').next());
        for name in in_pages.chain(statuses) {
            seen += 1;
            let id = format!("id=\"i-{name}\"");
            assert!(sprite.contains(&id), "the icon {name} is not in static/icons.txt");
        }
        assert!(seen > 10);
    }
}

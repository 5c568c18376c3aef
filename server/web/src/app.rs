//! The application: every route, in one table. What a route needs stands in its handler's arguments.

use std::net::TcpListener;

use actix_web::{
    App, HttpResponse, HttpServer,
    middleware::{NormalizePath, from_fn},
    web::{self, Data, FormConfig, PathConfig, QueryConfig, get, post},
};
use protocol::engine::{calls::GetWelcome, client::Caller};

use crate::{
    assets, console,
    engine::EngineClient,
    error::PageError,
    form::FORM_MAX,
    guard,
    hosts::Hosts,
    live,
    pages::{account, container_templates, containers, see_other, shared, sources, tasks},
    streams::Streams,
    visitor::{SignedIn, Visitor},
};

/// Threads that answer browsers; the work is in the engine.
const WORKERS: usize = 2;
/// Connections of one of them: together they must leave descriptors for calls to the engine.
const CONNECTIONS_MAX: usize = 200;

/// Serves until the process ends.
pub(crate) fn run(
    listener: TcpListener,
    tls: rustls::ServerConfig,
    engine: EngineClient,
    hosts: Hosts,
) -> std::io::Result<()> {
    let (engine, streams, hosts) = (Data::new(engine), Data::new(Streams::default()), Data::new(hosts));
    actix_web::rt::System::new().block_on(async move {
        HttpServer::new(move || {
            App::new()
                .app_data(engine.clone())
                .app_data(streams.clone())
                .app_data(hosts.clone())
                .app_data(
                    FormConfig::default()
                        .limit(FORM_MAX)
                        .error_handler(|_, request| PageError::misfit(request).into()),
                )
                .app_data(
                    QueryConfig::default().error_handler(|_, request| PageError::misfit(request).into()),
                )
                .app_data(
                    PathConfig::default()
                        .error_handler(|_, request| PageError::no_page(Visitor::read(request), None).into()),
                )
                .wrap(from_fn(guard::guard))
                .wrap(NormalizePath::trim())
                .configure(routes)
                .default_service(web::to(no_page))
        })
        .workers(WORKERS)
        .max_connections(CONNECTIONS_MAX)
        .disable_signals()
        .listen_rustls_0_23(listener, tls)?
        .run()
        .await
    })
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/", get().to(home))
        .route("/healthz", get().to(health))
        .route("/static/{digest}/{name}", get().to(assets::serve))
        .route("/setup", get().to(account::show_setup))
        .route("/setup", post().to(account::setup))
        .route("/login", get().to(account::show_login))
        .route("/login", post().to(account::login))
        .route("/logout", post().to(account::logout))
        .route("/language", post().to(account::set_language))
        .route("/preferences", post().to(account::set_preferences))
        .route("/events", get().to(live::events))
        .route("/containers", get().to(containers::list::list))
        .route("/containers", post().to(containers::new::create))
        .route("/containers/new", get().to(containers::new::show))
        .route("/containers/{name}", get().to(containers::show::show))
        .route("/containers/{name}/console", get().to(containers::console::show))
        .route("/containers/{name}/console/ticket", post().to(console::ticket))
        .route("/containers/{name}/console/socket", get().to(console::socket))
        .route("/containers/{name}/resources", get().to(containers::resources::show))
        .route("/containers/{name}/resources", post().to(containers::resources::set))
        .route("/containers/{name}/tasks", get().to(containers::tasks::list))
        .route("/containers/{name}/delete", get().to(containers::delete::show))
        .route("/containers/{name}/delete", post().to(containers::delete::delete))
        .route("/containers/{name}/password", post().to(containers::application::reveal))
        .route("/containers/{name}/first-boot", post().to(containers::application::retry))
        .route("/containers/{name}/template", get().to(containers::template::show))
        .route("/containers/{name}/template", post().to(containers::template::make))
        .route("/containers/{name}/{action}", get().to(containers::confirm::show))
        .route("/containers/{name}/{action}", post().to(containers::power::act))
        .route("/templates", get().to(container_templates::list))
        .route("/templates/import", post().to(container_templates::import))
        .route("/templates/{name}/build", post().to(container_templates::build))
        .route("/templates/{name}/delete", get().to(container_templates::show_delete))
        .route("/templates/{name}/delete", post().to(container_templates::delete))
        .route("/templates/import-url", post().to(sources::import_url))
        .route("/template-index/{file}", get().to(shared::serve))
        .route("/sources", get().to(sources::list))
        .route("/sources/refresh", post().to(sources::refresh))
        .route("/sources/download", post().to(sources::download))
        .route("/tasks", get().to(tasks::list))
        .route("/tasks/{id}", get().to(tasks::show))
        .route("/tasks/{id}/cancel", post().to(tasks::cancel));
}

async fn home() -> HttpResponse {
    see_other("/containers")
}

/// For load balancers and scripts: whether the engine answers.
async fn health(engine: Data<EngineClient>) -> HttpResponse {
    match engine.call(&Caller::default(), GetWelcome {}).await {
        Ok(_) => HttpResponse::Ok().content_type("text/plain").body("ok\n"),
        Err(_) => HttpResponse::ServiceUnavailable().content_type("text/plain").body("no engine\n"),
    }
}

async fn no_page(visitor: Visitor, who: Option<SignedIn>) -> Result<HttpResponse, PageError> {
    Err(PageError::no_page(visitor, who.as_ref()))
}

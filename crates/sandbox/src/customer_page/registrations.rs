//! App registrations, as their owner sees them at Microsoft: for whoever tries out an OAuth app of their own in the demonstration.
//!
//! Secrets are shown, because nothing here is one. Tests in the same process register apps by themselves.

use poem::Response;
use poem::http::{StatusCode, header};

use crate::ambient::random_token;
use crate::apps::{AppRegistration, AppSecret};
use crate::html::escape;
use crate::state::State;

pub(super) const PATH: &str = "/app-registrations";
const SECRET_BYTES: usize = 30;

/// `false`: there is no such app.
pub(super) fn expire(state: &State, client_id: &str) -> bool {
    changed(state, client_id, |app, now| app.secrets.iter_mut().for_each(|secret| secret.expires_at = Some(now - 1)))
}

/// `false`: there is no such app.
pub(super) fn give_secret(state: &State, client_id: &str) -> bool {
    changed(state, client_id, |app, _| {
        app.secrets.push(AppSecret { value: random_token(SECRET_BYTES), expires_at: None });
    })
}

pub(super) fn register(state: &State) {
    let app = AppRegistration::any().secret(&random_token(SECRET_BYTES));
    state.apps().push(app);
}

fn changed(state: &State, client_id: &str, change: impl FnOnce(&mut AppRegistration, i64)) -> bool {
    let now = state.clock.now();
    state.apps().iter_mut().find(|app| app.client_id == client_id).map(|app| change(app, now)).is_some()
}

/// 303: the browser follows with GET, and a reload does nothing again.
pub(super) fn back() -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, PATH).finish()
}

/// What stands between the page's frame.
pub(super) fn content(state: &State) -> String {
    let now = state.clock.now();
    let button = |what: &str, client_id: &str, words: &str| {
        format!(
            "<form method=\"post\" action=\"{PATH}/{what}?client_id={}\"><p><button>{words}</button></p></form>",
            escape(client_id)
        )
    };
    let apps: String = state
        .apps()
        .iter()
        .map(|app| {
            let secrets: String = app
                .secrets
                .iter()
                .map(|secret| {
                    let expired = secret.expires_at.is_some_and(|at| at <= now);
                    let class = if expired { "secret expired" } else { "secret" };
                    let words = if expired { " (expired)" } else { "" };
                    format!("<dt>Client secret</dt><dd><code class=\"{class}\">{}</code>{words}</dd>", escape(&secret.value))
                })
                .collect();
            format!(
                "<section><dl><dt>Client id</dt><dd><code class=\"client-id\">{}</code></dd>{secrets}</dl>{}{}</section>",
                escape(&app.client_id),
                button("secret", &app.client_id, "Another client secret"),
                button("expire", &app.client_id, "Let its secrets expire"),
            )
        })
        .collect();
    format!(
        "<section><h1>App registrations</h1><p>The first is the one of this installation. Register another one to try an OAuth app of your \
         own.</p><form method=\"post\" action=\"{PATH}\"><button>Register an app</button></form></section>{apps}"
    )
}

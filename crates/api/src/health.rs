//! `/health/live`: the process answers. `/health/ready`: it can also serve, and if not, what is missing.

use crate::envelope::Deliberate;
use app::App;
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Response, handler};
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// One thing without which requests cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What it is, such as `database`.
    pub part: String,
    /// What is wrong with it, in words that give nothing away.
    pub problem: String,
}

/// The part that is always needed.
pub const DATABASE: &str = "database";

/// Asked at every readiness check.
pub type Readiness = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Missing>> + Send>> + Send + Sync>;

#[handler]
pub fn live() -> Response {
    Json(serde_json::json!({"status": "live"})).into_response()
}

#[handler]
pub async fn ready(Data(readiness): Data<&Readiness>) -> Response {
    let missing = readiness().await;
    if missing.is_empty() {
        return Json(serde_json::json!({"status": "ready"})).into_response();
    }
    let mut response = Json(serde_json::json!({"status": "not_ready", "missing": missing})).into_response();
    response.set_status(StatusCode::SERVICE_UNAVAILABLE);
    response.set_data(Deliberate);
    response
}

/// The database is all that is needed: without Redis requests are served, and what they owe waits.
pub fn of(app: App) -> Readiness {
    Arc::new(move || {
        let app = app.clone();
        Box::pin(async move {
            let Err(error) = app.store().check_schema().await else { return Vec::new() };
            tracing::warn!(%error, "the database cannot be worked with");
            let problem = if error.is_transient() { "it does not answer" } else { "its schema is not this version's" };
            vec![Missing { part: "database".to_owned(), problem: problem.to_owned() }]
        })
    })
}

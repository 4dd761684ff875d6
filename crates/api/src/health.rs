//! `/health/live`: the process answers. `/health/ready`: it can also serve, and if not, what is missing.

use crate::envelope::Deliberate;
use app::{App, StoreError};
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Response, handler};
use serde::Serialize;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

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

/// An app that Microsoft refuses, or whose credential ends soon, keeps nobody from being served; whoever watches this sees it beside.
#[handler]
pub async fn ready(Data(readiness): Data<&Readiness>, Data(app): Data<&App>) -> Response {
    let missing = readiness().await;
    if missing.is_empty() {
        let alarms = alarms(app).await;
        if alarms.is_empty() {
            return Json(serde_json::json!({"status": "ready"})).into_response();
        }
        return Json(serde_json::json!({"status": "ready", "alarms": alarms})).into_response();
    }
    let mut response = Json(serde_json::json!({"status": "not_ready", "missing": missing})).into_response();
    response.set_status(StatusCode::SERVICE_UNAVAILABLE);
    response.set_data(Deliberate);
    response
}

/// What the operator has to do something about although everything is served.
async fn alarms(app: &App) -> Vec<serde_json::Value> {
    let mut alarms = Vec::new();
    if let Ok(Ok(Some(alarm))) = tokio::time::timeout(PATIENCE, app::oauth_apps::installation_alarm(app)).await {
        let (code, since) = (alarm.failure.class.code(), alarm.since.seconds());
        alarms.push(serde_json::json!({ "part": "microsoft_app", "code": code, "since": since }));
    }
    for (variable, ends_at) in app::oauth_apps::expiry::soon_ending_of_installation(app) {
        let ends_at = ends_at.seconds();
        alarms.push(serde_json::json!({
            "part": "microsoft_app_credential", "code": "credential_ending", "variable": variable, "ends_at": ends_at,
        }));
    }
    alarms
}

/// How long somebody who asks waits for what is found out.
const PATIENCE: Duration = Duration::from_secs(5);
/// Whether it can be written is tried once in so long: anybody may ask, and each try writes a row.
const TRY_WRITING_EVERY: Duration = Duration::from_secs(1);

/// When it was last tried to write, and what was missing then.
#[derive(Debug, Default)]
struct Tried(Option<(Instant, Option<Missing>)>);

/// The database is all that is needed: without Redis requests are served, and what they owe waits.
pub fn of(app: App) -> Readiness {
    let tried = Arc::<Mutex<Tried>>::default();
    Arc::new(move || Box::pin(found_out(app.clone(), tried.clone())))
}

/// One look at a time, which comes to its end whoever waits for it: a database that does not answer is not asked by everybody.
async fn found_out(app: App, tried: Arc<Mutex<Tried>>) -> Vec<Missing> {
    let answer = async {
        let mut tried = tried.lock_owned().await;
        let looking = tokio::spawn(async move { look(&app, &mut tried).await });
        looking.await.unwrap_or_else(|_| Some(of_database("it could not be asked")))
    };
    let found = tokio::time::timeout(PATIENCE, answer).await;
    found.unwrap_or_else(|_| Some(of_database("it does not answer in time"))).into_iter().collect()
}

async fn look(app: &App, tried: &mut Tried) -> Option<Missing> {
    let store = app.store();
    if let Err(error) = store.check_schema().await {
        return Some(trouble(app, &error));
    }
    match &tried.0 {
        Some((at, missing)) if at.elapsed() < TRY_WRITING_EVERY => missing.clone(),
        Some(_) | None => {
            let missing = store.check_writing().await.err().map(|error| trouble(app, &error));
            tried.0 = Some((Instant::now(), missing.clone()));
            missing
        }
    }
}

fn trouble(app: &App, error: &StoreError) -> Missing {
    tracing::warn!(%error, "the database cannot be worked with");
    of_database(if app.store().is_elsewhere() {
        "it is another database than the one this process began with: nothing is read from it or written to it"
    } else {
        match error {
            StoreError::Full(_) => "there is no room left on its disk: reading works, and nothing new can be kept",
            StoreError::ReadOnly(_) => "it takes no writes: it is a standby, or was made read-only",
            error if error.is_transient() => "it does not answer",
            _ => "its schema is not this version's",
        }
    })
}

fn of_database(problem: &str) -> Missing {
    Missing { part: DATABASE.to_owned(), problem: problem.to_owned() }
}

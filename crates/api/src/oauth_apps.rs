//! OAuth apps that an account has registered for itself at Microsoft. Administrators only; no answer holds a secret.

use crate::auth::Auth;
use crate::error::{Acting, Deciding, Problem, Reading, Refusal, Writing, WritingDeciding};
use crate::refusals::refused_with;
use crate::tags::Tag;
use app::App;
use app::oauth_apps::check::{Outcome, StepReport, verify};
use app::oauth_apps::manage::{self, GivenApp, GivenCredential, OauthAppError};
use domain::{OauthAppCredentialId, OauthAppId, Secret, Timestamp};
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::failure::Failure;
use wire::oauth_app::{
    OauthApp, OauthAppCreate, OauthAppCredentialRequest, OauthAppList, OauthAppStep, OauthAppUpdate,
    OauthAppVerification, StepOutcome,
};

pub struct OauthAppsApi;

#[OpenApi(tag = "Tag::OauthApps")]
impl OauthAppsApi {
    /// List OAuth apps
    #[oai(path = "/api/v1/accounts/:account_id/oauth_apps", method = "get", operation_id = "list_oauth_apps")]
    async fn list(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<OauthAppList>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let found = manage::list(&member).await?;
        Ok(Json(OauthAppList { payload: found.iter().map(|one| shown(auth.app(), one)).collect() }))
    }

    /// Make an OAuth app
    ///
    /// For an app registration of the account's own: its people sign in under its name, and its secrets are used for this account alone. They
    /// go to the installation's sign-in host and nowhere else. At most 20 for an account, each with a client id of its own.
    #[oai(path = "/api/v1/accounts/:account_id/oauth_apps", method = "post", operation_id = "create_oauth_app")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<OauthAppCreate>,
    ) -> Result<Json<OauthApp>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let body = body.0;
        let given = GivenApp {
            name: body.name,
            client_id: body.client_id,
            authority: body.authority,
            cloud: body.cloud,
            is_default: body.is_default,
            credential: body.credential.map(credential),
        };
        Ok(Json(shown(auth.app(), &manage::create(auth.app(), &member, given).await?)))
    }

    /// Show an OAuth app
    #[oai(
        path = "/api/v1/accounts/:account_id/oauth_apps/:oauth_app_id",
        method = "get",
        operation_id = "get_oauth_app"
    )]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        oauth_app_id: Path<i64>,
    ) -> Result<Json<OauthApp>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        Ok(Json(shown(auth.app(), &manage::show(&member, OauthAppId(oauth_app_id.0)).await?)))
    }

    /// Change an OAuth app
    #[oai(
        path = "/api/v1/accounts/:account_id/oauth_apps/:oauth_app_id",
        method = "patch",
        operation_id = "update_oauth_app"
    )]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        oauth_app_id: Path<i64>,
        body: Json<OauthAppUpdate>,
    ) -> Result<Json<OauthApp>, Refusal<WritingDeciding>> {
        let member = auth.enter(account_id.0).await?;
        let body = body.0;
        let given = GivenApp {
            name: body.name,
            client_id: body.client_id,
            authority: body.authority,
            cloud: body.cloud,
            is_default: body.is_default,
            credential: None,
        };
        let updated = manage::update(auth.app(), &member, OauthAppId(oauth_app_id.0), given).await?;
        Ok(Json(shown(auth.app(), &updated)))
    }

    /// Delete an OAuth app, with its credentials
    ///
    /// One that inboxes were signed in through, or that somebody is signing in through, stays (409).
    #[oai(
        path = "/api/v1/accounts/:account_id/oauth_apps/:oauth_app_id",
        method = "delete",
        operation_id = "delete_oauth_app"
    )]
    async fn delete(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        oauth_app_id: Path<i64>,
    ) -> Result<(), Refusal<Deciding>> {
        let member = auth.enter(account_id.0).await?;
        Ok(manage::delete(&member, OauthAppId(oauth_app_id.0)).await?)
    }

    /// Give an OAuth app another credential
    ///
    /// Two at most: the one in use, and the next. The second is used as soon as Microsoft refuses the first, so nothing stops in between. No
    /// answer ever shows it again.
    #[oai(
        path = "/api/v1/accounts/:account_id/oauth_apps/:oauth_app_id/credentials",
        method = "post",
        operation_id = "add_oauth_app_credential"
    )]
    async fn add_credential(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        oauth_app_id: Path<i64>,
        body: Json<OauthAppCredentialRequest>,
    ) -> Result<Json<OauthApp>, Refusal<WritingDeciding>> {
        let member = auth.enter(account_id.0).await?;
        let id = OauthAppId(oauth_app_id.0);
        let added = manage::add_credential(auth.app(), &member, id, credential(body.0)).await?;
        Ok(Json(shown(auth.app(), &added)))
    }

    /// Take a credential away from an OAuth app
    ///
    /// The last one of an app that is in use stays (409).
    #[oai(
        path = "/api/v1/accounts/:account_id/oauth_apps/:oauth_app_id/credentials/:credential_id",
        method = "delete",
        operation_id = "delete_oauth_app_credential"
    )]
    async fn delete_credential(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        oauth_app_id: Path<i64>,
        credential_id: Path<i64>,
    ) -> Result<(), Refusal<Deciding>> {
        let member = auth.enter(account_id.0).await?;
        let (id, credential) = (OauthAppId(oauth_app_id.0), OauthAppCredentialId(credential_id.0));
        Ok(manage::delete_credential(&member, id, credential).await?)
    }

    /// Verify an OAuth app
    ///
    /// Step by step: what was given of it, Microsoft's documents, the credentials, and one mailbox that uses it. Each step says how it went and
    /// how long it took; what needs a step that failed is skipped.
    #[oai(
        path = "/api/v1/accounts/:account_id/oauth_apps/:oauth_app_id/verify",
        method = "post",
        operation_id = "verify_oauth_app"
    )]
    async fn verify(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        oauth_app_id: Path<i64>,
    ) -> Result<Json<OauthAppVerification>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let steps = verify(auth.app(), &member, OauthAppId(oauth_app_id.0)).await?;
        let ok = !steps.iter().any(|step| matches!(step.outcome, Outcome::Failed(_)));
        Ok(Json(OauthAppVerification { ok, steps: steps.iter().map(step).collect() }))
    }
}

fn credential(given: OauthAppCredentialRequest) -> GivenCredential {
    GivenCredential {
        client_secret: given.client_secret.map(Secret::new),
        certificate: given.certificate,
        private_key: given.private_key.map(Secret::new),
        expires_at: given.expires_at.map(Timestamp::from_seconds),
    }
}

fn shown(app: &App, one: &domain::oauth_app::OauthApp) -> OauthApp {
    OauthApp::new(one, app.cloud(), app.redirect_uri().as_str())
}

fn step(report: &StepReport) -> OauthAppStep {
    let (outcome, failure, note) = match &report.outcome {
        Outcome::Ok => (StepOutcome::Ok, None, None),
        Outcome::Failed(failure) => (StepOutcome::Failed, Some(Failure::from(failure)), None),
        Outcome::Skipped(why) => (StepOutcome::Skipped, None, Some((*why).to_owned())),
    };
    OauthAppStep {
        step: report.step.as_str().to_owned(),
        outcome,
        took_milliseconds: i64::try_from(report.took.as_millis()).unwrap_or(i64::MAX),
        failure,
        note,
        inbox_id: report.inbox.map(|inbox| inbox.0),
    }
}

refused_with! { OauthAppError }

impl From<OauthAppError> for Problem {
    fn from(error: OauthAppError) -> Self {
        match error {
            OauthAppError::Forbidden => Self::forbidden(),
            OauthAppError::NotFound => Self::not_found(),
            OauthAppError::Invalid(field, words) => Self::invalid(field, words),
            OauthAppError::AccountFull { limit } => Self::unprocessable(
                "oauth_apps_limit_reached",
                format!("The account has the {limit} OAuth apps it may have"),
            ),
            OauthAppError::CredentialsFull => Self::conflict(
                "credentials_limit_reached",
                "The app has two credentials already: remove the one that is not used any more",
            ),
            OauthAppError::InUse => Self::conflict(
                "oauth_app_in_use",
                "Inboxes were signed in through this app, somebody is signing in, or a connect link names it: sign them in through another one, or withdraw the link",
            ),
            OauthAppError::LastCredential => Self::conflict(
                "last_credential",
                "It is the only credential of an app that is in use: add the next one first",
            ),
            OauthAppError::ClientIdInUse => Self::conflict(
                "oauth_app_in_use",
                "The client id stays while the app is in use: make another app, and sign in through that",
            ),
            OauthAppError::Store(error) => error.into(),
        }
    }
}

//! The signed-in user.

use crate::auth::Auth;
use crate::error::{Oneself, Refusal};
use crate::tags::Tag;
use app::{App, accounts};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use wire::profile::Profile;
use wire::service::Service;

pub struct ProfileApi;

#[OpenApi]
impl ProfileApi {
    /// Show the signed-in user
    #[oai(path = "/api/v1/profile", method = "get", operation_id = "get_profile", tag = "Tag::Profile")]
    async fn show(&self, auth: Auth) -> Result<Json<Profile>, Refusal<Oneself>> {
        let profile = accounts::profile(auth.app(), &auth.caller).await?;
        Ok(Json(Profile::new(&profile.user, &profile.memberships)))
    }

    /// What is running here
    ///
    /// Clients call this to see that a compatible server answers.
    #[oai(path = "/api", method = "get", operation_id = "get_service", tag = "Tag::Session")]
    async fn service(&self, app: Data<&App>) -> Json<Service> {
        Json(Service {
            version: crate::VERSION.to_owned(),
            timestamp: app.now().to_iso(),
            queue_services: "ok".to_owned(),
            data_services: "ok".to_owned(),
        })
    }
}

//! Setting a password with a link that was mailed: for whoever forgot theirs, and for whoever was invited.

use crate::client_address;
use crate::error::{Refusal, SettingPassword};
use crate::same_origin::may_use_cookie;
use crate::session::{WithHeaders, handed_over, user_agent};
use crate::tags::Tag;
use app::App;
use app::accounts::{self, NewPassword, SessionKind};
use domain::Secret;
use poem::Request;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::payload::Json;
use wire::profile::Profile;
use wire::service::Done;
use wire::sign_in::{PasswordAsked, PasswordSet, SignedIn};

pub struct PasswordApi;

#[OpenApi(tag = "Tag::Session")]
impl PasswordApi {
    /// Ask for a link to set a new password
    ///
    /// It is mailed to whoever has the address. The answer is the same where nobody has it. At most 5 an hour for one address, and 20 in half
    /// an hour from one place.
    #[oai(path = "/auth/password", method = "post", operation_id = "ask_for_password_reset")]
    async fn ask(
        &self,
        app: Data<&App>,
        request: &Request,
        body: Json<PasswordAsked>,
    ) -> Result<Json<Done>, Refusal<SettingPassword>> {
        accounts::ask_for_reset(app.0, &body.0.email, client_address::of(request, app.0)).await?;
        Ok(Json(Done {
            message: "If somebody has this address here, they are sent a mail with a link to set a new password."
                .to_owned(),
        }))
    }

    /// Set a password with a link
    ///
    /// The link works once: 6 hours after it was asked for, and 7 days after somebody was invited. Every session of the person ends, and the
    /// answer begins one, as signing in does.
    #[oai(path = "/auth/password", method = "put", operation_id = "set_password")]
    async fn set(
        &self,
        app: Data<&App>,
        request: &Request,
        body: Json<PasswordSet>,
    ) -> Result<WithHeaders<SignedIn>, Refusal<SettingPassword>> {
        let frontend = &app.settings().frontend_url;
        let kind = if may_use_cookie(request, frontend) { SessionKind::Browser } else { SessionKind::Headers };
        let new = NewPassword {
            token: Secret::new(body.0.reset_password_token.0),
            password: Secret::new(body.0.password.0),
            confirmation: body.0.password_confirmation.map(|again| Secret::new(again.0)),
            from: client_address::of(request, app.0),
            user_agent: user_agent(request),
            kind,
        };
        let signed_in = accounts::set_password(app.0, new).await?;
        let headers = handed_over(frontend, kind, &signed_in);
        let data = Profile::new(&signed_in.user, &signed_in.memberships).remembering(&signed_in.ui_settings);
        Ok(WithHeaders { body: Json(SignedIn { data }), headers })
    }
}

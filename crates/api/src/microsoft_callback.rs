//! Where Microsoft sends people back to, the confirmation they may have to give, and the page that follows the proof.
//!
//! The query of a callback holds a code and a state: nothing here logs it, and no page repeats it.

use crate::auth::caller_by_session;
use crate::connect_link_page::going_on;
use crate::connection_pages::{page, status_path, unavailable};
use crate::error::Problem;
use crate::failure_page;
use crate::{cookies, same_origin};
use app::App;
use app::channels::callback::{self, CallbackPage, CallbackQuery};
use app::channels::consent;
use domain::{FailureClass, Secret};
use poem::web::{Data, Form, Path, Redirect};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::Deserialize;

#[handler]
pub async fn returned(request: &Request, Data(app): Data<&App>) -> Response {
    let caller = caller_by_session(app, request).await;
    let query = query(request.uri().query().unwrap_or_default());
    let shown = callback::handle(app, query, &|name| cookies::read(request, name), caller.as_ref()).await;
    answer(shown)
}

/// The confirmation page's form.
#[derive(Deserialize)]
struct Confirmation {
    token: String,
}

#[handler]
pub async fn confirmed(
    request: &Request,
    Data(app): Data<&App>,
    form: Result<Form<Confirmation>, poem::Error>,
) -> Response {
    match own_form(request, app, form) {
        Ok(form) => answer(callback::confirm(app, &form.token, &|name| cookies::read(request, name)).await),
        Err(class) => failure_page::page(&class.into(), None).into_response(),
    }
}

/// The form of the page that asks which mailbox it is.
#[derive(Deserialize)]
struct Address {
    token: String,
    #[serde(default)]
    mailbox: String,
}

#[handler]
pub async fn address_told(
    request: &Request,
    Data(app): Data<&App>,
    form: Result<Form<Address>, poem::Error>,
) -> Response {
    match own_form(request, app, form) {
        Ok(form) => {
            let cookies = |name: &str| cookies::read(request, name);
            answer(callback::tell_address(app, &form.token, form.mailbox.trim(), &cookies).await)
        }
        Err(class) => failure_page::page(&class.into(), None).into_response(),
    }
}

/// The button of the page at the end.
#[handler]
pub async fn tried_again(
    request: &Request,
    Data(app): Data<&App>,
    form: Result<Form<Confirmation>, poem::Error>,
) -> Response {
    match own_form(request, app, form) {
        Ok(form) => answer(callback::try_sending_again(app, &form.token, &|name| cookies::read(request, name)).await),
        Err(class) => failure_page::page(&class.into(), None).into_response(),
    }
}

/// The button for those whose organisation wants an administrator's approval.
#[handler]
pub async fn approval_wanted(
    request: &Request,
    Data(app): Data<&App>,
    form: Result<Form<Confirmation>, poem::Error>,
) -> Response {
    match own_form(request, app, form) {
        Ok(form) => match consent::wanted(app, &form.token, &|name| cookies::read(request, name)).await {
            // Under an address that can be opened again for a week.
            Ok(CallbackPage::AwaitingApproval { follow, .. }) => {
                Redirect::see_other(status_path(&follow)).into_response()
            }
            shown => answer(shown),
        },
        Err(class) => failure_page::page(&class.into(), None).into_response(),
    }
}

/// The button to go on once it was approved.
#[handler]
pub async fn gone_on(
    request: &Request,
    Data(app): Data<&App>,
    form: Result<Form<Confirmation>, poem::Error>,
) -> Response {
    match own_form(request, app, form) {
        Ok(form) => match consent::go_on(app, &form.token, &|name| cookies::read(request, name)).await {
            Ok(Ok(resumed)) => going_on(&resumed.go, &[resumed.cookie]),
            Ok(Err(shown)) => answer(Ok(shown)),
            Err(error) => answer(Err(error)),
        },
        Err(class) => failure_page::page(&class.into(), None).into_response(),
    }
}

/// The attempt's cookie speaks for these forms, so they must be ours.
fn own_form<T>(request: &Request, app: &App, form: Result<Form<T>, poem::Error>) -> Result<T, FailureClass> {
    if !same_origin::may_use_cookie(request, &app.settings().frontend_url) {
        return Err(FailureClass::OtherBrowser);
    }
    form.map(|Form(form)| form).map_err(|_| FailureClass::StateUnknown)
}

#[handler]
pub async fn followed(request: &Request, Data(app): Data<&App>, Path(token): Path<String>) -> Response {
    answer(callback::follow(app, &token, &|name| cookies::read(request, name)).await)
}

fn answer(shown: Result<CallbackPage, app::StoreError>) -> Response {
    match shown {
        Ok(shown) => {
            // What is waited for takes days: the browser must be known for as long.
            let kept = match &shown {
                CallbackPage::AwaitingApproval { cookie, .. } | CallbackPage::AwaitingAdministrator { cookie, .. } => {
                    Some(cookie.clone())
                }
                _ => None,
            };
            let mut response = page(shown).into_response();
            if let Some(cookie) = kept {
                cookies::set_for_attempt(&mut response, &cookie);
            }
            response
        }
        Err(error) => unavailable(&Problem::from(error)),
    }
}

/// The longest query that is looked at; Microsoft's codes have one to two kilobytes.
const MAX_QUERY_BYTES: usize = 16 * 1024;

/// The first value of each name that is known; everything else is not even decoded into the log.
fn query(text: &str) -> CallbackQuery {
    let mut query = CallbackQuery::default();
    if text.len() > MAX_QUERY_BYTES {
        return query;
    }
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let value = value.into_owned();
        match name.as_ref() {
            "code" => query.code = query.code.or_else(|| Some(Secret::new(value))),
            "state" => query.state = query.state.or(Some(value)),
            "error" => query.error = query.error.or(Some(value)),
            "error_subcode" => query.error_subcode = query.error_subcode.or(Some(value)),
            "error_description" => query.error_description = query.error_description.or(Some(value)),
            "admin_consent" => query.admin_consent = query.admin_consent.or(Some(value)),
            _ => {}
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn the_first_value_of_a_name_counts_and_a_huge_query_is_not_read() {
        let read = query("code=a%2Bb&state=s&code=other&client_info=x&error_description=no+way");
        assert_eq!(read.code.as_ref().map(|c| c.expose().to_owned()).as_deref(), Some("a+b"));
        assert_eq!((read.state.as_deref(), read.error_description.as_deref()), (Some("s"), Some("no way")));
        assert!(query(&format!("state={}", "x".repeat(20_000))).state.is_none());
    }
}

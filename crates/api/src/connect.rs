//! `GET /microsoft/connect/{link}`: the first browser in which somebody goes on from the link is bound to the attempt and sent to Microsoft.
//!
//! Programs that show previews open links before people do, so that only a browser in which somebody is signed in here goes on at once.
//! Everybody else is shown a page with one button, and looking at it binds nothing; a HEAD does nothing at all.

use crate::auth::caller_by_session;
use crate::connect_link_page::{going_on, in_path};
use crate::error::Problem;
use crate::failure_page;
use crate::html::{Page, Tone};
use crate::{cookies, same_origin};
use app::App;
use app::channels::connect::{OpenLinkError, has_opened, open_link, see_link};
use domain::FailureClass;
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::{Data, Path};
use poem::{Request, Response, handler};

#[handler]
pub async fn connect(
    request: &Request,
    Data(app): Data<&App>,
    Path(link): Path<String>,
) -> Result<Response, poem::Error> {
    let kept = |name: &str| cookies::read(request, name);
    if !has_opened(app, &link, &kept) && caller_by_session(app, request).await.is_none() {
        return match see_link(app, &link).await {
            Ok(()) => Ok(page(&link).into_response()),
            Err(error) => refused(error),
        };
    }
    match open_link(app, &link, &kept).await {
        Ok(opened) => {
            let mut response = StatusCode::FOUND.into();
            redirect_to(&mut response, opened.redirect.as_str())?;
            cookies::set_for_attempt(&mut response, &opened.cookie);
            Ok(response)
        }
        Err(error) => refused(error),
    }
}

/// The page's button, which must be pressed on our page.
#[handler]
pub async fn gone_on(
    request: &Request,
    Data(app): Data<&App>,
    Path(link): Path<String>,
) -> Result<Response, poem::Error> {
    if !same_origin::may_use_cookie(request, &app.settings().frontend_url) {
        return refused(OpenLinkError::Refused(FailureClass::OtherBrowser.into()));
    }
    match open_link(app, &link, &|name| cookies::read(request, name)).await {
        Ok(opened) => Ok(going_on(&path(&link), &[opened.cookie])),
        Err(error) => refused(error),
    }
}

fn refused(error: OpenLinkError) -> Result<Response, poem::Error> {
    match error {
        OpenLinkError::Refused(failure) => Ok(failure_page::page(&failure, None).into_response()),
        OpenLinkError::Store(error) => Err(Problem::from(error).into()),
    }
}

fn page(link: &str) -> Page {
    Page::new("Connect your mailbox?", Tone::Waiting)
        .text("You were sent this link by somebody who answers e-mail with Postroom. Microsoft asks you to sign in, and then you are told whose account it is before anything is connected.")
        .text("The browser in which you go on is the one that must finish, within a quarter of an hour.")
        .form(&format!("{}/go_on", path(link)), &[], "Go on to Microsoft")
        .aside("If you did not expect this, close this page: nothing is connected without you.")
}

fn path(link: &str) -> String {
    format!("/microsoft/connect/{}", in_path(link))
}

fn redirect_to(response: &mut Response, to: &str) -> Result<(), Problem> {
    let value = HeaderValue::from_str(to).map_err(|error| Problem::internal(&error))?;
    response.headers_mut().insert(header::LOCATION, value);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(())
}

/// For HEAD, here and on the callback.
#[handler]
pub fn nothing() -> Response {
    Response::builder().finish()
}

//! `GET /microsoft/connect/{link}`: the first browser that opens the link is bound to the attempt and sent to Microsoft.
//!
//! A HEAD, which link previews send, does nothing: it must not bind the attempt to a program that never signs in.

use crate::cookies;
use crate::error::Problem;
use crate::failure_page::{self, WaysOut};
use app::App;
use app::channels::connect::{OpenLinkError, open_link};
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::{Data, Path};
use poem::{Request, Response, handler};

#[handler]
pub async fn connect(
    request: &Request,
    Data(app): Data<&App>,
    Path(link): Path<String>,
) -> Result<Response, poem::Error> {
    match open_link(app, &link, &|name| cookies::read(request, name)).await {
        Ok(opened) => {
            let mut response = StatusCode::FOUND.into();
            redirect_to(&mut response, opened.redirect.as_str())?;
            cookies::set_for_attempt(&mut response, &opened.cookie);
            Ok(response)
        }
        Err(OpenLinkError::Refused(failure)) => Ok(failure_page::page(&failure, &WaysOut::default()).into_response()),
        Err(OpenLinkError::Store(error)) => Err(Problem::from(error).into()),
    }
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

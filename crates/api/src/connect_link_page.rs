//! `GET /connect/{token}`: who asks for a mailbox, what they will be able to do with it, and one button.
//!
//! Opening the page binds and uses up nothing, and a HEAD does nothing at all: links are previewed by programs. The button's POST must come from
//! this page. It answers with a page that goes on to Microsoft by itself: browsers follow no redirect to another site out of a form here.

use crate::error::Problem;
use crate::failure_page;
use crate::html::{Page, Tone};
use crate::{connection_pages, cookies, same_origin};
use app::App;
use app::channels::BrowserCookie;
use app::channels::agree::{self, LinkPage, LinkPageError};
use domain::FailureClass;
use poem::web::{Data, Path};
use poem::{Request, Response, handler};

#[handler]
pub async fn shown(request: &Request, Data(app): Data<&App>, Path(token): Path<String>) -> Response {
    match agree::look(app, &token, &|name| cookies::read(request, name)).await {
        Ok(link) => page(&link, &token).into_response(),
        Err(error) => refused(error),
    }
}

#[handler]
pub async fn agreed(request: &Request, Data(app): Data<&App>, Path(token): Path<String>) -> Response {
    // Whoever makes a browser press this button from elsewhere would connect a mailbox that nobody was asked for.
    if !same_origin::may_use_cookie(request, &app.settings().frontend_url) {
        return failure_page::page(&FailureClass::OtherBrowser.into(), None).into_response();
    }
    match agree::agree(app, &token).await {
        Ok(agreed) => going_on(&agreed.go, &agreed.cookies),
        Err(error) => refused(error),
    }
}

/// On to Microsoft, in a navigation of its own.
pub fn going_on(path: &str, kept: &[BrowserCookie]) -> Response {
    let page = Page::new("On to Microsoft", Tone::Waiting)
        .refreshing_at(0, path)
        .text("Microsoft asks you to sign in and to allow the access.")
        .link("Go on", path);
    let mut response = page.into_response();
    for cookie in kept {
        cookies::set_for_attempt(&mut response, cookie);
    }
    response
}

fn refused(error: LinkPageError) -> Response {
    match error {
        LinkPageError::Refused(failure) => failure_page::page(&failure, None).into_response(),
        LinkPageError::Store(error) => connection_pages::unavailable(&Problem::from(error)),
    }
}

fn page(link: &LinkPage, token: &str) -> Page {
    let mut page = match &link.inbox_name {
        Some(_) => Page::new("Sign in to this mailbox again?", Tone::Waiting),
        None => Page::new("Connect your mailbox?", Tone::Waiting),
    };
    page = page
        .text("You were sent this link by the account below, which answers its e-mail with Postroom.")
        .fact("Account", &link.account_name);
    if let Some(name) = &link.inbox_name {
        page = page.fact("Inbox", name);
    }
    page = match (&link.mailbox, &link.expected_email) {
        (Some(mailbox), Some(who)) => page.fact("Mailbox", mailbox).fact("Who signs in", who),
        (Some(mailbox), None) => {
            page.fact("Mailbox", mailbox).fact("Who signs in", "Somebody who may open that mailbox")
        }
        (None, Some(who)) => page.fact("Mailbox", who),
        (None, None) => page.fact("Mailbox", "The one you sign in with"),
    };
    if let Some(failure) = &link.failure {
        page = page.fact("The last try", failure.class.text()).fact("What to do", failure.class.cure());
    }
    page = page.text(
        "If you go on, everybody in this account can read the mail of that mailbox and answer from it, until the account's administrators \
         delete the inbox or you withdraw the permission at Microsoft. Your password stays with Microsoft.",
    );
    if link.awaits_approval {
        page = page.text(
            "An administrator of your Microsoft 365 organisation had to approve this first. If they have, go on; if they have not, Microsoft \
             will ask for them again.",
        );
    }
    if let Some(follow) = &link.follow {
        page = page.link("See how your sign-in is doing", &connection_pages::status_path(follow));
    }
    page.form(&agree_path(token), &[], "Go on to Microsoft")
        .aside("If you do not know this account, close this page: nothing is connected without you.")
}

fn agree_path(token: &str) -> String {
    format!("/connect/{}/agree", in_path(token))
}

/// Tokens are base64url; one that was found by its hash is one.
pub fn in_path(token: &str) -> String {
    token.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> LinkPage {
        LinkPage {
            account_name: "Contoso <b>".to_owned(),
            expected_email: None,
            mailbox: None,
            inbox_name: None,
            failure: None,
            awaits_approval: false,
            follow: None,
        }
    }

    #[test]
    fn the_page_names_who_asks_and_has_one_form_without_anything_to_fill_in() {
        let html = page(&link(), "a-b_c\"><script>").render();
        assert!(
            html.contains("Contoso &lt;b&gt;") && html.contains("read the mail of that mailbox and answer from it")
        );
        assert_eq!((html.matches("<form").count(), html.matches("<input").count()), (1, 0));
        assert!(html.contains("action=\"/connect/a-b_cscript/agree\"") && !html.contains("<script"), "{html}");
    }

    #[test]
    fn the_page_says_whose_mailbox_is_asked_for_and_how_the_last_try_ended() {
        let shared = LinkPage {
            expected_email: Some("ada@contoso.example".to_owned()),
            mailbox: Some("\"><script>".to_owned()),
            failure: Some(FailureClass::UnexpectedAccount.into()),
            awaits_approval: true,
            follow: Some("state".to_owned()),
            ..link()
        };
        let html = page(&shared, "t").render();
        for told in [
            "ada@contoso.example",
            "&quot;&gt;&lt;script&gt;",
            "Another Microsoft account",
            "had to approve",
            "/microsoft/connections/state",
        ] {
            assert!(html.contains(told), "{told}: {html}");
        }
    }
}

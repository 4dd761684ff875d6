//! The pages a person sees at sign-in: plain HTML that works without scripts, and says that it is the sandbox.

use poem::Response;
use poem::http::{StatusCode, header};

use super::errors::EntraError;
use super::flow::Flow;
use crate::directory::TenantUser;
use crate::html::{escape, page};
use crate::state::State;

const STYLE: &str = "\
*{box-sizing:border-box}body{margin:0;min-height:100vh;font:15px/1.4 'Segoe UI',system-ui,sans-serif;color:#1b1b1b;\
background:linear-gradient(135deg,#e8eef7,#f6f0ea 60%,#e9f3ee);display:flex;flex-direction:column;align-items:center;\
justify-content:center;padding:24px}\
main{background:#fff;width:100%;max-width:440px;padding:40px 44px 32px;box-shadow:0 2px 10px rgba(0,0,0,.16)}\
.brand{display:flex;align-items:center;gap:10px;color:#5e5e5e;font-size:17px;font-weight:600;margin-bottom:18px}\
.brand i{width:20px;height:20px;border-radius:5px;background:#1f6f54}\
.ribbon{background:#7a4b00;color:#fff;font-size:12px;padding:6px 14px;margin-bottom:16px;border-radius:3px;text-align:center}\
h1{font-size:24px;font-weight:600;margin:0 0 14px}p{margin:0 0 14px}.error{color:#a80000}\
.account{display:block;width:100%;text-align:left;background:none;border:0;border-top:1px solid #eee;padding:12px 6px;\
font:inherit;cursor:pointer}.account:hover,.account:focus{background:#f2f2f2}.account small{display:block;color:#666}\
.account.hinted{background:#eef5fc}form+form{margin-top:22px}input[type=email],input[type=text]{width:100%;border:0;border-bottom:1px solid #666;\
padding:7px 2px;font:inherit;margin:8px 0 16px}ul{padding-left:20px}li{margin-bottom:8px}\
.row{display:flex;justify-content:flex-end;gap:8px;margin-top:18px;flex-wrap:wrap}\
.button{border:0;padding:7px 20px;min-width:108px;font:inherit;cursor:pointer;background:#ccc}\
.button.primary{background:#0067b8;color:#fff}code{font-size:12px;word-break:break-all}";

const BRAND: &str = "<div class=\"ribbon\">Postroom sandbox: this is not Microsoft. No password is asked for.</div>";
/// A mark of its own: the page must work like the real one and never pass for it.
const LOGO: &str = "<div class=\"brand\"><i></i>Sandbox account</div>";

fn framed(status: StatusCode, title: &str, content: &str) -> Response {
    page(status, title, STYLE, "", &format!("{BRAND}<main>{LOGO}{content}</main>"))
}

fn hidden(flow_id: &str) -> String {
    format!("<input type=\"hidden\" name=\"flow\" value=\"{}\">", escape(flow_id))
}

/// Choose an account, or type an address.
pub(crate) fn accounts(flow_id: &str, flow: &Flow, users: &[TenantUser], complaint: Option<&str>) -> Response {
    let hint = flow.login_hint.as_deref().unwrap_or_default();
    let mut list = String::new();
    for user in users {
        let hinted = if user.address.eq_ignore_ascii_case(hint) { " hinted" } else { "" };
        let role = if user.admin { ", administrator" } else { "" };
        list.push_str(&format!(
            "<button class=\"account{hinted}\" name=\"login\" value=\"{0}\">{1}<small>{0}{role}</small></button>",
            escape(&user.address),
            escape(&user.display_name),
        ));
    }
    let complaint = complaint.map(|text| format!("<p class=\"error\">{}</p>", escape(text))).unwrap_or_default();
    let content = format!(
        "<h1>Pick an account</h1>{complaint}\
         <form method=\"post\" action=\"/{segment}/login\">{hidden}{list}</form>\
         <form method=\"post\" action=\"/{segment}/login\">{hidden}\
         <label>Use another account<input type=\"email\" name=\"login\" value=\"{hint}\" \
         placeholder=\"someone@contoso.example\" autocomplete=\"username\"></label>\
         <div class=\"row\"><button class=\"button\" name=\"decision\" value=\"cancel\" formnovalidate>Cancel</button>\
         <button class=\"button primary\">Next</button></div></form>",
        segment = escape(&flow.segment),
        hidden = hidden(flow_id),
        hint = escape(hint),
    );
    framed(StatusCode::OK, "Sign in to your account", &content)
}

/// "Permissions requested".
pub(crate) fn consent(flow_id: &str, flow: &Flow, user: &TenantUser, for_organization: bool) -> Response {
    let scopes: String = flow.scopes.iter().map(|scope| format!("<li>{}</li>", describe(scope))).collect();
    let organization = if user.admin && !user.is_personal() && !for_organization {
        "<button class=\"button\" name=\"decision\" value=\"accept_organization\">Accept for the organization</button>"
    } else {
        ""
    };
    let question =
        if for_organization { "Permissions requested for your organization" } else { "Permissions requested" };
    let content = format!(
        "<p>{address}</p><h1>{question}</h1><p><strong>Postroom</strong><br><small>unverified</small></p>\
         <p>This application would like to:</p><ul>{scopes}</ul>\
         <form method=\"post\" action=\"/{segment}/consent\">{hidden}<div class=\"row\">\
         <button class=\"button\" name=\"decision\" value=\"decline\">Cancel</button>{organization}\
         <button class=\"button primary\" name=\"decision\" value=\"accept\">Accept</button></div></form>",
        address = escape(&user.address),
        segment = escape(&flow.segment),
        hidden = hidden(flow_id),
    );
    framed(StatusCode::OK, "Permissions requested", &content)
}

/// "Need admin approval": it does not redirect. The app hears of it only if the person follows the last link.
pub(crate) fn admin_approval(flow_id: &str, flow: &Flow, user: &TenantUser) -> Response {
    let content = format!(
        "<p>{address}</p><h1>Need admin approval</h1><p><strong>Postroom</strong></p>\
         <p>Postroom needs permission to access resources in your organization that only an admin can grant. Please ask \
         an admin to grant permission to this app before you can use it. <small>AADSTS90094</small></p>\
         <form method=\"post\" action=\"/{segment}/consent\">{hidden}<div class=\"row\">\
         <button class=\"button\" name=\"decision\" value=\"another\">Have an admin account? Sign in with that account</button>\
         <button class=\"button\" name=\"decision\" value=\"return\">Return to the application without granting \
         consent</button></div></form>",
        address = escape(&user.address),
        segment = escape(&flow.segment),
        hidden = hidden(flow_id),
    );
    framed(StatusCode::OK, "Need admin approval", &content)
}

/// An error the app is not told: a page, no redirect.
pub(crate) fn error(state: &State, status: StatusCode, error: &EntraError) -> Response {
    let told = error.at(state.clock.now(), None);
    let content = format!(
        "<h1>Sign in</h1><p>Sorry, but we\u{2019}re having trouble signing you in.</p><p class=\"error\">AADSTS{}: {}</p>\
         <p><code>Request Id: {}<br>Correlation Id: {}<br>Timestamp: {}</code></p>",
        error.code,
        escape(&error.text),
        told.trace_id,
        told.correlation_id,
        told.timestamp
    );
    framed(status, "Sign in to your account", &content)
}

pub(crate) fn message(title: &str, text: &str) -> Response {
    framed(StatusCode::OK, title, &format!("<h1>{}</h1><p>{}</p>", escape(title), escape(text)))
}

/// The front page of the sign-in service, for whoever opens its address.
pub(crate) fn front(state: &State) -> Response {
    let users: String = state
        .directory()
        .users
        .iter()
        .map(|user| format!("<li>{} <small>{}</small></li>", escape(&user.address), escape(&user.display_name)))
        .collect();
    let content = format!(
        "<h1>A local Microsoft</h1><p>This address stands for <code>https://login.microsoftonline.com</code>. Apps send \
         people here to sign in; these people are known:</p><ul>{users}</ul>"
    );
    framed(StatusCode::OK, "Postroom sandbox", &content)
}

/// `response_mode=form_post`: a form that posts itself, with a button for browsers without scripts.
pub(crate) fn form_post(to: &str, parameters: &[(&str, &str)]) -> Response {
    let fields: String = parameters
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escape(name), escape(value)))
        .collect();
    let html = format!(
        "<!doctype html><html><head><title>Working...</title></head><body><form method=\"post\" name=\"hiddenform\" \
         action=\"{}\">{fields}<noscript><p>Script is disabled. Click Submit to continue.</p></noscript>\
         <input type=\"submit\" value=\"Submit\"></form><script>document.forms[0].submit();</script></body></html>",
        escape(to)
    );
    Response::builder()
        .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .body(html)
}

/// A permission in the words of the consent page.
fn describe(scope: &str) -> String {
    let words = match scope.rsplit('/').next().unwrap_or(scope) {
        "openid" => "Sign you in",
        "profile" => "View your basic profile",
        "email" => "View your email address",
        "offline_access" => "Maintain access to data you have given it access to",
        "IMAP.AccessAsUser.All" => "Read and write access to your mail (IMAP)",
        "POP.AccessAsUser.All" => "Read and write access to your mail (POP)",
        "SMTP.Send" => "Send emails from your mailbox (SMTP AUTH)",
        "Mail.Send" => "Send mail as you",
        "Mail.Read" | "Mail.ReadWrite" => "Read and write access to your mail",
        "User.Read" => "Sign you in and read your profile",
        other => return escape(other),
    };
    words.to_owned()
}

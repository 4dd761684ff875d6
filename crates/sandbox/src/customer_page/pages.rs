//! The HTML of the customer's page.

use poem::Response;
use poem::http::StatusCode;

use super::bad_days::BAD_DAYS;
use crate::html::{escape, page};
use crate::mailbox::{INBOX, StoredMail};
use crate::mime::{Part, first_address, words};
use crate::state::State;

const STYLE: &str = "\
*{box-sizing:border-box}body{margin:0;font:15px/1.5 system-ui,sans-serif;color:#1f2937;background:#f3f4f1}\
header{background:#1f3d36;color:#fff;padding:14px 24px;display:flex;gap:18px;align-items:baseline;flex-wrap:wrap}\
header a{color:#fff;text-decoration:none}header strong{font-size:17px}header small{color:#bcd3ca}\
.layout{display:grid;grid-template-columns:230px minmax(0,1fr);gap:24px;max-width:1080px;margin:24px auto;padding:0 20px}\
@media(max-width:760px){.layout{grid-template-columns:1fr}}\
nav a{display:block;padding:8px 12px;border-radius:6px;color:#1f3d36;text-decoration:none;overflow-wrap:anywhere}\
nav a:hover{background:#e3e9e4}nav a.here{background:#1f3d36;color:#fff}nav h2{font-size:12px;text-transform:uppercase;\
letter-spacing:.06em;color:#6b7280;margin:0 0 8px 12px}\
section{background:#fff;border:1px solid #e2e5df;border-radius:8px;padding:20px 22px;margin-bottom:20px}\
h1{font-size:20px;margin:0 0 14px}label{display:block;font-size:13px;color:#4b5563;margin-bottom:10px}\
input[type=email],input[type=text],textarea{width:100%;padding:8px 10px;border:1px solid #c7ccc4;border-radius:6px;\
font:inherit;margin-top:3px}textarea{min-height:130px;resize:vertical}\
button{background:#1f6f54;color:#fff;border:0;border-radius:6px;padding:9px 20px;font:inherit;cursor:pointer}\
.letters{list-style:none;margin:0;padding:0}.letters a{display:block;padding:12px 4px;border-top:1px solid #eceee9;\
color:inherit;text-decoration:none}.letters a:hover{background:#f7f8f5}.letters small{color:#6b7280}\
.letters li:first-child a{border-top:0}.excerpt{color:#4b5563;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit;margin:0}dl{display:grid;grid-template-columns:130px 1fr;\
gap:2px 12px;font-size:13px;margin:0 0 16px}dt{color:#6b7280}dd{margin:0;overflow-wrap:anywhere}\
.done{background:#e3f3ea;border-color:#b7dcc6}.empty{color:#6b7280}.files a{margin-right:14px}";

fn query(who: &str) -> String {
    url::form_urlencoded::byte_serialize(who.as_bytes()).collect()
}

fn framed(state: &State, here: Option<&str>, refresh: bool, content: &str) -> Response {
    let links: String = customers(state)
        .iter()
        .map(|who| {
            let class = if here.is_some_and(|here| here.eq_ignore_ascii_case(who)) { " class=\"here\"" } else { "" };
            format!("<a{class} href=\"/inbox?who={}\">{}</a>", query(who), escape(who))
        })
        .collect();
    let body = format!(
        "<header><a href=\"/\"><strong>The customer's side</strong></a><small>Postroom sandbox: these mailboxes are \
         pretended, no mail leaves this machine</small></header>\
         <div class=\"layout\"><nav><h2>Customers</h2>{links}<h2>Microsoft</h2><a href=\"/bad-day\">Have a bad day</a>\
         <a href=\"/app-registrations\">App registrations</a></nav><main>{content}</main></div>"
    );
    let head = if refresh { "<meta http-equiv=\"refresh\" content=\"4\">" } else { "" };
    page(StatusCode::OK, "Customers of the sandbox", STYLE, head, &body)
}

/// Mailboxes that belong to nobody at Microsoft.
fn customers(state: &State) -> Vec<String> {
    let addresses = state.mailboxes.addresses();
    let directory = state.directory();
    addresses.into_iter().filter(|address| directory.recipient(address).is_none()).collect()
}

fn support_addresses(state: &State) -> Vec<String> {
    let directory = state.directory();
    directory.users.iter().filter(|user| user.has_mailbox && !user.admin).map(|user| user.address.clone()).collect()
}

/// The form with which one writes; `hidden` are the fields of a reply.
fn form(state: &State, from: &str, to: &str, subject: &str, hidden: &str) -> String {
    let options: String =
        support_addresses(state).iter().map(|address| format!("<option value=\"{}\">", escape(address))).collect();
    format!(
        "<form method=\"post\" action=\"/send\" enctype=\"multipart/form-data\">{hidden}\
         <label>From<input type=\"email\" name=\"from\" required value=\"{from}\"></label>\
         <label>To<input type=\"email\" name=\"to\" required list=\"support\" value=\"{to}\"></label>\
         <datalist id=\"support\">{options}</datalist>\
         <label>Subject<input type=\"text\" name=\"subject\" value=\"{subject}\"></label>\
         <label>Text<textarea name=\"text\"></textarea></label>\
         <label>Attachment <input type=\"file\" name=\"attachment\"></label>\
         <button>Send</button></form>",
        from = escape(from),
        to = escape(to),
        subject = escape(subject),
    )
}

pub(super) fn front(state: &State) -> Response {
    let from = customers(state).into_iter().next().unwrap_or_else(|| "ada@customer.example".into());
    let to = support_addresses(state).into_iter().next().unwrap_or_default();
    let content = format!("<section><h1>Write as a customer</h1>{}</section>", form(state, &from, &to, "", ""));
    framed(state, None, false, &content)
}

/// Buttons that make something go wrong, and one that ends it all.
pub(super) fn bad_day(state: &State) -> Response {
    let button = |name: &str, words: &str| {
        format!(
            "<form method=\"post\" action=\"/bad-day?what={name}\"><p><button>{}</button></p></form>",
            escape(words)
        )
    };
    let buttons: String = BAD_DAYS.iter().map(|day| button(day.name, day.words)).collect();
    let armed = state.faults.armed().len();
    let now = match armed {
        0 => "Everything is well.".to_owned(),
        _ => format!("Something is wrong now.{}", button("none", "Make everything well again")),
    };
    let content = format!(
        "<section><h1>Microsoft has a bad day</h1><p>What goes wrong here is told on the agents' page, with its cure.</p>{buttons}</section>\
         <section>{now}</section>"
    );
    framed(state, None, false, &content)
}

pub(super) fn app_registrations(state: &State) -> Response {
    framed(state, None, false, &super::registrations::content(state))
}

pub(super) fn inbox(state: &State, who: &str, sent: bool) -> Response {
    let mut mails = state.mailboxes.get(who).map(|mailbox| mailbox.messages(INBOX)).unwrap_or_default();
    mails.reverse();
    let items: String = mails.iter().map(|mail| item(who, mail)).collect();
    let list = if items.is_empty() {
        "<p class=\"empty\">Nothing came back yet. This page looks again every few seconds.</p>".to_owned()
    } else {
        format!("<ul class=\"letters\">{items}</ul>")
    };
    let done = if sent { "<section class=\"done\">The mail is on its way.</section>" } else { "" };
    let content = format!(
        "{done}<section><h1>What {who} received</h1>{list}</section>\
         <section><p><a href=\"/\">Write another mail</a></p></section>",
        who = escape(who)
    );
    framed(state, Some(who), true, &content)
}

fn item(who: &str, mail: &StoredMail) -> String {
    let part = Part::parse(&mail.bytes);
    let text = part.readable();
    let excerpt: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(140).collect();
    format!(
        "<li><a href=\"/mail?who={}&amp;uid={}\"><strong>{}</strong><br><small>{} \u{b7} {}</small>\
         <div class=\"excerpt\">{}</div></a></li>",
        query(who),
        mail.uid,
        escape(&part.text_field("Subject").unwrap_or_default()),
        escape(&part.text_field("From").unwrap_or_default()),
        escape(part.field("Date").unwrap_or_default()),
        escape(&excerpt)
    )
}

pub(super) fn mail(state: &State, who: &str, mail: &StoredMail) -> Response {
    let part = Part::parse(&mail.bytes);
    let shown = [
        "From",
        "To",
        "Cc",
        "Reply-To",
        "Date",
        "Subject",
        "Message-ID",
        "In-Reply-To",
        "References",
        "X-Microsoft-Original-Message-ID",
        "Auto-Submitted",
    ];
    let headers: String = shown
        .iter()
        .filter_map(|name| part.field(name).map(|value| (name, words(value))))
        .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escape(&value)))
        .collect();
    let files: String = part
        .attachments()
        .iter()
        .enumerate()
        .map(|(number, file)| {
            format!(
                "<a href=\"/file?who={}&amp;uid={}&amp;number={number}\">{} ({} bytes)</a>",
                query(who),
                mail.uid,
                escape(&file.name),
                file.bytes.len()
            )
        })
        .collect();
    let files = if files.is_empty() { files } else { format!("<p class=\"files\">{files}</p>") };
    let content = format!(
        "<section><h1>{subject}</h1><dl>{headers}</dl><pre>{text}</pre>{files}\
         <p><a href=\"/raw?who={query}&amp;uid={uid}\">The mail as it came</a></p></section>\
         <section><h1>Reply</h1>{reply}</section>",
        subject = escape(&part.text_field("Subject").unwrap_or_default()),
        text = escape(&part.readable()),
        query = query(who),
        uid = mail.uid,
        reply = reply_form(state, who, &part),
    );
    framed(state, Some(who), false, &content)
}

/// In-Reply-To, References and a quotation, as mail programs do it (RFC 5322 §3.6.4).
fn reply_form(state: &State, who: &str, part: &Part<'_>) -> String {
    let id = part.field("Message-ID").unwrap_or_default();
    let references = part.field("References").or_else(|| part.field("In-Reply-To")).unwrap_or_default();
    let to = part.field("Reply-To").or_else(|| part.field("From")).and_then(first_address).unwrap_or_default();
    let subject = part.text_field("Subject").unwrap_or_default();
    let subject = if subject.to_lowercase().starts_with("re:") { subject } else { format!("Re: {subject}") };
    let quoted: String = part.readable().lines().map(|line| format!("> {line}\n")).collect();
    let author = part.text_field("From").unwrap_or_default();
    let quote = format!("On {}, {author} wrote:\n{quoted}", part.field("Date").unwrap_or_default());
    let hidden = format!(
        "<input type=\"hidden\" name=\"in_reply_to\" value=\"{}\"><input type=\"hidden\" name=\"references\" value=\"{}\">\
         <input type=\"hidden\" name=\"quote\" value=\"{}\">",
        escape(id),
        escape(references),
        escape(&quote)
    );
    form(state, who, &to, &subject, &hidden)
}

pub(super) fn complaint(text: &str) -> Response {
    let body = format!(
        "<section style=\"max-width:600px;margin:60px auto\"><h1>{}</h1><p><a href=\"/\">Back</a></p></section>",
        escape(text)
    );
    page(StatusCode::BAD_REQUEST, "Customers of the sandbox", STYLE, "", &body)
}

//! Who or what wrote a mail, by its headers. "May we answer automatically?" and "does it reopen?" are left to the app.

use super::headers::Headers;
use super::{MailKind, dsn};
use domain::Mailbox;

pub(super) struct Judged {
    pub kind: MailKind,
    pub auto_reply: bool,
    pub answers_unwanted: bool,
}

/// Beginnings of the subject of an absence note, lower case, as Exchange, Outlook, Gmail, Lotus Notes and people write them.
const ABSENCE_SUBJECTS: [&str; 40] = [
    "automatic reply",
    "auto reply",
    "auto-reply",
    "autoreply",
    "out of office",
    "out of the office",
    "automatische antwort",
    "abwesenheitsnotiz",
    "abwesend",
    "abwesenheit",
    "réponse automatique",
    "reponse automatique",
    "absence du bureau",
    "absent du bureau",
    "respuesta automática",
    "respuesta automatica",
    "fuera de la oficina",
    "risposta automatica",
    "fuori sede",
    "fuori ufficio",
    "automatisch antwoord",
    "afwezig",
    "resposta automática",
    "resposta automatica",
    "ausência temporária",
    "fora do escritório",
    "automatiskt svar",
    "autosvar",
    "automatisk svar",
    "automaattinen vastaus",
    "poissa",
    "odpowiedź automatyczna",
    "automatická odpověď",
    "automatikus válasz",
    "răspuns automat",
    "автоматический ответ",
    "автоматична відповідь",
    "自動応答",
    "自动答复",
    "자동 회신",
];

pub(super) fn judge(
    headers: &Headers<'_>,
    content_type: &str,
    report_type: &str,
    from: &[Mailbox],
    subject: &str,
    report: Option<&dsn::Read>,
) -> Judged {
    let auto_submitted = headers.lower("Auto-Submitted");
    let submitted_by_machine =
        !auto_submitted.is_empty() && auto_submitted != "no" && !auto_submitted.starts_with("no;");
    let autoreply_header = ["X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply", "X-Vacation"]
        .iter()
        .any(|name| headers.has(name) && headers.lower(name) != "no");
    let precedence = headers.lower("Precedence");
    // Exchange writes these on what an Outlook rule or an absence note sends.
    let exchange_rule = headers.lower("X-MS-Exchange-Generated-Message-Source").contains("mailbox rules agent")
        || headers.has("X-MS-Exchange-Inbox-Rules-Loop");
    let unwanted = headers.lower("X-Auto-Response-Suppress");
    let answers_unwanted = !unwanted.is_empty() && unwanted != "none";

    let is_report = content_type == "multipart/report";
    let complaint = is_report && report_type == "feedback-report";
    let receipt = is_report && report_type == "disposition-notification";
    let undelivered = report.is_some_and(|r| r.failed)
        || (is_report && report_type == "delivery-status" && report.is_none())
        || headers.has("X-MS-Exchange-Message-Is-Ndr")
        || (report.is_none() && (headers.has("X-Failed-Recipients") || from.iter().any(is_postmaster)));
    let auto = submitted_by_machine || autoreply_header || exchange_rule || precedence == "auto_reply" || receipt;
    let subject = subject.trim_start().to_lowercase();
    let absence = auto
        && (ABSENCE_SUBJECTS.iter().any(|s| subject.starts_with(s))
            || auto_submitted.contains("vacation")
            || headers.has("X-Vacation")
            || exchange_rule
            // Gmail's vacation responder.
            || (auto_submitted.starts_with("auto-replied") && precedence == "bulk" && headers.has("X-Autoreply")));
    let listed =
        headers.has("List-Id") || headers.has("List-Post") || matches!(precedence.as_str(), "list" | "bulk" | "junk");

    let kind = if complaint {
        MailKind::Complaint
    } else if undelivered {
        MailKind::Bounce
    } else if absence {
        MailKind::OutOfOffice
    } else if auto || report.is_some() {
        // A delayed or relayed notice is a machine's word too, but nothing has failed.
        MailKind::AutoReply
    } else if listed {
        MailKind::List
    } else {
        MailKind::Human
    };
    Judged { kind, auto_reply: auto, answers_unwanted }
}

/// Mail systems that send reports without the form of one: qmail, exim, and Exchange's own address, which is
/// `MicrosoftExchange` and 32 hexadecimal digits in every tenant.
fn is_postmaster(from: &Mailbox) -> bool {
    let local = from.address.local().to_ascii_lowercase();
    local == "mailer-daemon"
        || local
            .strip_prefix("microsoftexchange")
            .is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

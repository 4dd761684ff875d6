//! Graph's bad days: every answer of the error table, answers that are lost, and answers that never come.

use sandbox::{GraphFault, GraphPoint, INBOX};
use std::time::Duration;

use crate::graph::{GRAPH, Graph, code};
use crate::support::*;

const ADA: &str = "ada@customer.example";

#[tokio::test]
async fn each_refusal_of_graph_can_be_had_and_nothing_is_done_then() {
    let sandbox = start().await;
    let graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    let id = text(&graph.draft("me", &mail(SUPPORT, ADA, "Hello", "ours@contoso.example")).await, "id").to_owned();
    use GraphPoint::Send;
    for (fault, status, code_said, wait) in [
        (GraphFault::too_many_requests(Send, Some(7)), 429, "ApplicationThrottled", Some("7")),
        (GraphFault::too_many_requests(Send, None), 429, "ApplicationThrottled", None),
        (GraphFault::unavailable(Send, Some(3)), 503, "serviceNotAvailable", Some("3")),
        (GraphFault::mailbox_info_stale(Send), 503, "MailboxInfoStale", None),
        (GraphFault::access_denied(Send), 403, "ErrorAccessDenied", None),
        (GraphFault::send_as_denied(), 403, "ErrorSendAsDenied", None),
        (GraphFault::mailbox_not_enabled(Send), 404, "MailboxNotEnabledForRESTAPI", None),
        (GraphFault::quota_exceeded(Send), 507, "ErrorQuotaExceeded", None),
        (GraphFault::message_size_exceeded(Send), 400, "ErrorMessageSizeExceeded", None),
        (GraphFault::invalid_recipients(), 400, "ErrorInvalidRecipients", None),
        (GraphFault::invalid_token(Send), 401, "InvalidAuthenticationToken", None),
        (GraphFault::submission_quota(), 429, "ErrorExceededMessageLimit", None),
    ] {
        sandbox.faults().once(fault);
        let refused = graph.send("me", &id).await;
        assert_eq!((refused.status, code(&refused).as_str(), refused.header("retry-after")), (status, code_said, wait));
    }
    sandbox.faults().once(GraphFault::Html { at: Send, status: 502 });
    let page = graph.send("me", &id).await;
    assert!(page.status == 502 && page.body.starts_with("<html>"));
    sandbox.faults().once(GraphFault::EmptyOk(Send));
    let nothing = graph.send("me", &id).await;
    assert_eq!((nothing.status, nothing.body.as_str()), (200, ""));
    assert!(sandbox.mailbox(ADA).messages(INBOX).is_empty());
    assert_eq!(graph.send("me", &id).await.status, 202);
    assert_eq!(sandbox.mailbox(ADA).messages(INBOX).len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_lost_or_never_comes_says_nothing_about_what_was_done() {
    let sandbox = start().await;
    let graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    for (n, carried_out) in [true, false].into_iter().enumerate() {
        let mime = mail(SUPPORT, ADA, "Hello", &format!("lost{n}@contoso.example"));
        let id = text(&graph.draft("me", &mime).await, "id").to_owned();
        sandbox.faults().once(GraphFault::AnswerLost { at: GraphPoint::Send, carried_out });
        let lost = graph.send("me", &id).await;
        assert!(lost.body.is_empty() && lost.header("content-length") != Some("0"), "it breaks off");
        let read = graph.get(&format!("/me/messages/{id}?$select=isDraft")).await.json();
        assert_eq!(read["isDraft"], serde_json::json!(!carried_out));
    }
    assert_eq!(sandbox.mailbox(ADA).messages(INBOX).len(), 1);
    let id = text(&graph.draft("me", &mail(SUPPORT, ADA, "Hello", "stall@contoso.example")).await, "id").to_owned();
    sandbox.faults().once(GraphFault::Stall { at: GraphPoint::Send, carried_out: true });
    assert!(tokio::time::timeout(Duration::from_millis(300), graph.send("me", &id)).await.is_err());
    assert_eq!(sandbox.mailbox(ADA).messages(INBOX).len(), 2);
}

#[tokio::test]
async fn a_mail_that_was_accepted_may_still_come_back_as_a_report() {
    let sandbox = start().await;
    let graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    let id = text(&graph.draft("me", &mail(SUPPORT, ADA, "Hello", "ndr@contoso.example")).await, "id").to_owned();
    sandbox.faults().once(GraphFault::BounceLater);
    assert_eq!(graph.send("me", &id).await.status, 202);
    assert!(sandbox.mailbox(ADA).messages(INBOX).is_empty());
    let reports = sandbox.mailbox(SUPPORT).messages(INBOX);
    assert!(String::from_utf8_lossy(&reports[0].bytes).contains("In-Reply-To: <ndr@contoso.example>"));
}

#[tokio::test]
async fn a_mailbox_has_four_requests_at_a_time_and_the_fifth_is_throttled() {
    let sandbox = start().await;
    let graph = Graph::of(&sandbox, SUPPORT, &GRAPH);
    sandbox.faults().always(GraphFault::Stall { at: GraphPoint::Me, carried_out: false });
    let four = async { tokio::join!(graph.get("/me"), graph.get("/me"), graph.get("/me"), graph.get("/me")) };
    let fifth = async {
        while sandbox.faults().fired().len() < 4 {
            tokio::task::yield_now().await;
        }
        sandbox.faults().clear();
        graph.get("/me").await
    };
    let throttled = soon(async {
        tokio::select! { fifth = fifth => fifth, _ = four => panic!("they stall") }
    })
    .await;
    assert_eq!((throttled.status, code(&throttled).as_str()), (429, "ApplicationThrottled"));
}

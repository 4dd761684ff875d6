//! Submission servers that never end a line or a reply: a failure in words, and never our memory.

mod support;

use domain::FailureClass;
use support::Peer;
use support::smtp::open;

async fn without_end(peer: &mut Peer, begin: &str, piece: &str) {
    if peer.try_send(begin).await {
        while peer.try_send(piece).await {}
    }
}

#[tokio::test]
async fn a_line_or_a_reply_without_end_is_given_up() {
    for (begin, piece, words) in [
        ("220 ", "x".repeat(10_000), "too long"),
        ("", "x".repeat(10_000), "too long"),
        ("", "220-hello\r\n".repeat(1_000), "does not end"),
    ] {
        let (session, server) = open(move |mut peer| async move { without_end(&mut peer, begin, &piece).await }).await;
        let failure = session.expect_err("refused");
        assert_eq!(failure.class, FailureClass::ProtocolError, "{failure:?}");
        let detail = failure.detail.expect("words");
        assert!(detail.contains(words), "{detail}");
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_list_of_extensions_without_end_is_given_up() {
    let (session, server) = open(|mut peer| async move {
        peer.send("220 ready\r\n").await;
        peer.line().await;
        without_end(&mut peer, "", &"250-SIZE 1\r\n".repeat(1_000)).await;
    })
    .await;
    assert_eq!(session.expect_err("refused").class, FailureClass::ProtocolError);
    server.await.expect("the script played");
}

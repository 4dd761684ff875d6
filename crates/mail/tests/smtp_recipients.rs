//! Recipients: each is taken or refused by itself, and nothing is said of the mail before that is known.

mod support;

use domain::FailureClass;
use mail::smtp::SendOutcome;
use support::smtp::{MAIL, envelope, rejection, send, signed_in};

#[tokio::test]
async fn one_refused_recipient_does_not_cost_the_others_their_mail() {
    for (says, class) in [
        ("550 5.1.1 <bob@customer.example>: User unknown", FailureClass::RecipientRefused),
        ("450 4.2.0 <bob@customer.example>: Recipient address rejected: Greylisted", FailureClass::Throttled),
    ] {
        let (mut session, server) = signed_in(move |mut peer| async move {
            peer.reply("MAIL FROM", "250 2.1.0 ok").await;
            peer.reply("RCPT TO:<bob", says).await;
            peer.reply("RCPT TO:<eve", "250 2.1.5 ok").await;
            peer.reply("DATA", "354 go").await;
            peer.smtp_content().await;
            peer.send("250 2.0.0 OK\r\n").await;
        })
        .await;
        let to = envelope();
        let addressed = session.address(&to, MAIL).await.expect("eve is taken");
        let refused = addressed.refused();
        assert_eq!((refused.len(), refused[0].address.as_str()), (1, "bob@customer.example"));
        assert_eq!((refused[0].server_said.as_str(), refused[0].class), (says, class));
        assert!(matches!(addressed.hand_over().await, SendOutcome::Accepted { .. }));
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_mail_that_is_addressed_and_not_handed_over_is_never_sent() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.reply("MAIL FROM", "250 2.1.0 ok").await;
        peer.reply("RCPT TO:<bob", "250 2.1.5 ok").await;
        peer.reply("RCPT TO:<eve", "250 2.1.5 ok").await;
        assert_eq!(peer.line().await, "", "the connection ends");
    })
    .await;
    drop(session.address(&envelope(), MAIL).await.expect("both are taken"));
    assert_eq!(rejection(send(&mut session, &envelope(), MAIL).await), FailureClass::ConnectionLost);
    drop(session);
    server.await.expect("the script played");
}

#[tokio::test]
async fn when_nobody_is_taken_one_who_was_put_off_means_that_there_is_a_next_time() {
    for (bob, eve, class) in [
        ("550 5.1.1 User unknown", "451 4.3.2 Try later", FailureClass::ServerUnavailable),
        ("450 4.2.0 Greylisted", "550 5.1.1 User unknown", FailureClass::Throttled),
    ] {
        let (mut session, server) = signed_in(move |mut peer| async move {
            peer.reply("MAIL FROM", "250 2.1.0 ok").await;
            peer.reply("RCPT TO:<bob", bob).await;
            peer.reply("RCPT TO:<eve", eve).await;
            peer.reply("RSET", "250 2.0.0 ok").await;
        })
        .await;
        let not = send(&mut session, &envelope(), MAIL).await.expect_err("nobody is taken");
        assert_eq!((not.failure.class, not.refused.len()), (class, 2));
        server.await.expect("the script played");
    }
}

#[tokio::test]
async fn a_server_that_leaves_in_the_middle_of_the_recipients_has_taken_nobody() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.reply("MAIL FROM", "250 2.1.0 ok").await;
        peer.reply("RCPT TO:<bob", "250 2.1.5 ok").await;
        peer.reply("RCPT TO:<eve", "421 4.3.2 Service shutting down").await;
    })
    .await;
    let not = send(&mut session, &envelope(), MAIL).await.expect_err("nobody gets it");
    assert_eq!((not.failure.class, not.refused.len()), (FailureClass::ServerUnavailable, 0));
    assert!(!session.is_usable());
    server.await.expect("the script played");
}

#[tokio::test]
async fn when_all_recipients_are_refused_nothing_is_sent_and_the_session_lives() {
    let (mut session, server) = signed_in(|mut peer| async move {
        for _ in 0..2 {
            peer.reply("MAIL FROM", "250 2.1.0 ok").await;
            peer.reply("RCPT TO:<bob", "550 5.1.1 User unknown").await;
            peer.reply("RCPT TO:<eve", "550 5.1.10 User unknown").await;
            peer.reply("RSET", "250 2.0.0 ok").await;
        }
    })
    .await;
    for _ in 0..2 {
        let not = send(&mut session, &envelope(), MAIL).await.expect_err("nobody is taken");
        assert_eq!((not.failure.class, not.refused.len()), (FailureClass::RecipientRefused, 2));
        assert!(session.is_usable());
    }
    server.await.expect("the script played");
}

#[tokio::test]
async fn a_sender_refused_at_the_recipient_is_no_refused_recipient() {
    let (mut session, server) = signed_in(|mut peer| async move {
        peer.reply("MAIL FROM", "250 2.1.0 ok").await;
        peer.reply("RCPT TO:<bob", "553 5.7.1 <support@acme.example>: Sender address rejected: not owned by user x")
            .await;
        peer.reply("RSET", "250 2.0.0 ok").await;
    })
    .await;
    let not = send(&mut session, &envelope(), MAIL).await.expect_err("nobody gets it");
    assert_eq!((not.failure.class, not.refused.len()), (FailureClass::SenderNotAllowed, 0));
    server.await.expect("the script played");
}

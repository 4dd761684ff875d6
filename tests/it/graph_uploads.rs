//! A large file goes to Microsoft Graph piece by piece (O5): whatever happens to a piece, the recipient has the whole file once, and no half of a
//! draft stays in the mailbox.

use crate::sending_by_graph::{answering, arrived, drafts, sendings, setup};
use anyhow::{Context, Result};
use sandbox::{Fault, GraphFault, GraphPoint};
use serde_json::{Value, json};
use testkit::check::waits_are_over;
use testkit::world::World;

const ADA: &str = "ada@customer.example";
/// Two pieces, and of a length that base64 writes without padding.
const FILE_BYTES: usize = 4_500_000;

/// The reply with a file of sevens.
async fn replied_with_a_file(w: &World, conversation: i64) -> Result<i64> {
    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nsee the file\r\n--b\r\n\
                     Content-Disposition: form-data; name=\"attachments[]\"; filename=\"plan.pdf\"\r\n\
                     Content-Type: application/pdf\r\n\r\n"
        .to_vec();
    form.extend(vec![7; FILE_BYTES]);
    form.extend(b"\r\n--b--\r\n");
    let path = w.path(&format!("/conversations/{conversation}/messages"));
    let request = w.api.request("POST", &path).header("content-type", "multipart/form-data; boundary=b").body(form);
    let message: Value = w.api.send(request).await?.ok()?;
    message["id"].as_i64().context("id")
}

/// Whether a mail holds the file, whole and once.
fn has_the_file(mail: &str) -> bool {
    let written: String = mail.split_whitespace().collect();
    written.matches("BwcH").count() == FILE_BYTES / 3 && written.contains(&"BwcH".repeat(FILE_BYTES / 3))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_piece_of_a_large_file_it_arrives_whole_and_once() -> Result<()> {
    use GraphPoint::{CreateUploadSession, UploadChunk};
    let faults = [
        GraphFault::too_many_requests(CreateUploadSession, Some(1)),
        GraphFault::invalid_token(CreateUploadSession),
        GraphFault::EmptyOk(CreateUploadSession),
        GraphFault::unavailable(UploadChunk, Some(1)),
        GraphFault::invalid_token(UploadChunk),
        GraphFault::Html { at: UploadChunk, status: 502 },
        GraphFault::AnswerLost { at: UploadChunk, carried_out: false },
        GraphFault::AnswerLost { at: UploadChunk, carried_out: true },
        GraphFault::DoneAndUnavailable(UploadChunk),
        GraphFault::Repeated(UploadChunk),
    ];
    World::run(setup(), async |w| {
        let conversation = answering(w).await?;
        for (already, fault) in faults.into_iter().enumerate() {
            w.sandbox.faults().once(fault.clone());
            let reply = replied_with_a_file(w, conversation).await?;
            w.eventually(&format!("it leaves in spite of {fault:?}"), async |w| {
                waits_are_over(w.database_url()).await?;
                Ok(w.message(conversation, reply).await?["delivery"]["state"] == json!("sent"))
            })
            .await?;
            assert_eq!(w.sandbox.faults().fired().last(), Some(&Fault::from(fault.clone())));
            let mails = arrived(w, ADA);
            assert_eq!((mails.len(), sendings(w), drafts(w)), (already + 1, already + 1, 0), "{fault:?}");
            assert!(mails.last().is_some_and(|mail| has_the_file(mail)), "{fault:?}");
        }
        Ok(())
    })
    .await
}

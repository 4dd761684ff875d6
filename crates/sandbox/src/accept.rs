//! How the two mail servers take connections: each is a task of its own, and ends when connections are cut or the sandbox ends.
//!
//! It speaks no protocol.

use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use crate::state::State;

pub(crate) async fn serve<C>(
    state: Arc<State>,
    listener: TcpListener,
    connection: impl Fn(Arc<State>, TcpStream) -> C + Send,
) where
    C: Future<Output = ()> + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            () = state.ended.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // A connection that is gone before it is accepted is no reason to stop.
        let Ok((stream, _)) = accepted else { continue };
        let _ = stream.set_nodelay(true);
        let cut = state.mail_connection_token();
        let connection = connection(Arc::clone(&state), stream);
        state.tasks.spawn(async move {
            tokio::select! {
                () = cut.cancelled() => {}
                () = connection => {}
            }
        });
    }
}

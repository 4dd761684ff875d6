//! (being built)
use crate::state::State;
use std::sync::Arc;
use tokio::net::TcpListener;
pub(crate) async fn serve(_state: Arc<State>, _listener: TcpListener) {
    todo!()
}

//! (being built)
pub(crate) mod errors;
pub(crate) mod grants;
pub(crate) mod keys;
use crate::state::State;
use std::sync::Arc;
use tokio::net::TcpListener;
pub(crate) async fn serve(_state: Arc<State>, _listener: TcpListener) {
    todo!()
}

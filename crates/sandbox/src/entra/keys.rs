//! (being built)
pub(crate) fn prepare() {}
pub(crate) struct Keys;
impl Keys {
    pub(crate) fn new() -> Self {
        Self
    }
    pub(crate) fn rotate(&self) {}
    pub(crate) fn retire_old(&self) {}
}

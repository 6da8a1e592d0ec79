//! Who asks a hub for gated repositories.

use std::fmt;

/// What says who asks. It is never shown, and sent to the hub alone: where the hub leads on to
/// another host, the client leaves it out.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    /// A token as the header that carries it.
    pub(super) fn new(token: &str) -> Self {
        Self(format!("Bearer {}", token.trim()))
    }

    /// The value of the header `Authorization`.
    pub(super) fn header(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

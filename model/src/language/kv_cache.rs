//! Keys and values of the tokens already read.

use super::config::LlamaConfig;
use burn::tensor::{Device, Tensor, s};
use thiserror::Error;

/// The cache can't take the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "the conversation has {len} tokens and {more} more exceed the cache of {capacity}; \
     shorten it, or make the cache larger"
)]
pub struct CacheFull {
    /// Tokens already held.
    pub len: usize,
    /// Tokens to be added.
    pub more: usize,
    /// Tokens that fit.
    pub capacity: usize,
}

/// Tokens that the room grows by.
const BLOCK: usize = 256;

/// Keys and values of one sequence. The room grows by blocks up to a fixed number of tokens, so that
/// a short conversation takes little memory and a step seldom copies.
#[derive(Debug, Clone)]
pub struct KvCache {
    pub(super) layers: Vec<LayerCache>,
    capacity: usize,
    len: usize,
}

/// `[1, kv_heads, room, head_dim]` each.
#[derive(Debug, Clone)]
pub(super) struct LayerCache {
    keys: Tensor<4>,
    values: Tensor<4>,
    /// Tokens that it may grow to.
    capacity: usize,
}

impl KvCache {
    /// An empty cache for `capacity` tokens.
    pub fn new(config: &LlamaConfig, capacity: usize, device: &Device) -> Self {
        let shape = [1, config.kv_heads(), capacity.min(BLOCK), config.head_width()];
        let layer = || LayerCache {
            keys: Tensor::zeros(shape, device),
            values: Tensor::zeros(shape, device),
            capacity,
        };
        let layers = (0..config.num_hidden_layers).map(|_| layer()).collect();
        Self { layers, capacity, len: 0 }
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets all tokens after the first `len`, so that a shared beginning is not read again.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Whether `more` tokens fit.
    ///
    /// # Errors
    /// When they don't.
    pub fn check_room(&self, more: usize) -> Result<(), CacheFull> {
        if more > self.capacity - self.len {
            return Err(CacheFull { len: self.len, more, capacity: self.capacity });
        }
        Ok(())
    }

    /// Counts tokens that every layer has appended.
    pub(super) fn advance(&mut self, more: usize) {
        self.len += more;
    }
}

impl LayerCache {
    /// Writes the keys and values of new tokens behind the first `len` and returns all. The room
    /// grows as needed.
    ///
    /// # Shapes
    /// `[1, kv_heads, new, head_dim]` each -> `[1, kv_heads, len + new, head_dim]`
    pub fn append(&mut self, len: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let end = len + k.dims()[2];
        for store in [&mut self.keys, &mut self.values] {
            let [batch, heads, room, width] = store.dims();
            if end > room {
                // Whole blocks, unless the cache ends before.
                let more = end.next_multiple_of(BLOCK).min(self.capacity).max(end) - room;
                let more = Tensor::zeros([batch, heads, more, width], &store.device());
                *store = Tensor::cat(vec![store.clone(), more], 2);
            }
        }
        (write(&mut self.keys, len..end, k), write(&mut self.values, len..end, v))
    }
}

fn write(store: &mut Tensor<4>, at: std::ops::Range<usize>, new: Tensor<4>) -> Tensor<4> {
    let end = at.end;
    // The store is moved out so that its buffer has one owner and is written in place.
    let owned = std::mem::replace(store, new.clone());
    *store = owned.slice_assign(s![.., .., at, ..], new);
    store.clone().slice(s![.., .., 0..end, ..])
}

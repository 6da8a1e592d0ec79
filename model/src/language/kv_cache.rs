//! Keys and values of the tokens already read.

use super::config::LlamaConfig;
use crate::layers::attend;
#[cfg(not(target_arch = "wasm32"))]
use crate::layers::{attend_slices, by_own_loops};
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

#[derive(Debug, Clone)]
pub(super) struct LayerCache {
    rows: Rows,
    /// Tokens that it may grow to.
    capacity: usize,
}

/// Keys and values, `[1, kv_heads, room, head_dim]` each.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a cache has few layers")]
enum Rows {
    Tensors([Tensor<4>; 2]),
    /// Where our own loops attend: they read them where they lie, and nothing is copied for a step.
    #[cfg(not(target_arch = "wasm32"))]
    Host {
        keys_values: [Vec<f32>; 2],
        shape: [usize; 3],
    },
}

impl KvCache {
    /// An empty cache for `capacity` tokens.
    pub fn new(config: &LlamaConfig, capacity: usize, device: &Device) -> Self {
        let shape = [1, config.kv_heads(), capacity.min(BLOCK), config.head_width()];
        let empty = Tensor::zeros(shape, device);
        let rows = || {
            #[cfg(not(target_arch = "wasm32"))]
            if by_own_loops(&empty) {
                let [_, heads, room, width] = shape;
                let zeros = || vec![0.0; heads * room * width];
                return Rows::Host { keys_values: [zeros(), zeros()], shape: [heads, room, width] };
            }
            Rows::Tensors([empty.clone(), empty.clone()])
        };
        let layer = || LayerCache { rows: rows(), capacity };
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
    /// Writes the keys and values of new tokens behind the first `len`, and attends to all. The room
    /// grows as needed.
    ///
    /// # Shapes
    /// `q` `[1, kv_heads, queries, head_dim]`, new keys and values `[1, kv_heads, new, head_dim]`,
    /// bias as in [`attend`] -> as `q`
    pub fn attend(
        &mut self,
        len: usize,
        q: Tensor<4>,
        new: [Tensor<4>; 2],
        bias: Option<Tensor<4>>,
    ) -> Tensor<4> {
        let end = len + new[0].dims()[2];
        let capacity = self.capacity;
        // Whole blocks, unless the cache ends before.
        let larger = |room: usize| {
            if end > room { end.next_multiple_of(BLOCK).min(capacity).max(end) } else { room }
        };
        match &mut self.rows {
            Rows::Tensors(stores) => {
                let [k, v] = std::array::from_fn(|i| {
                    let store = &mut stores[i];
                    let [batch, heads, room, width] = store.dims();
                    if end > room {
                        let more = [batch, heads, larger(room) - room, width];
                        let more = Tensor::zeros(more, &store.device());
                        *store = Tensor::cat(vec![store.clone(), more], 2);
                    }
                    write(store, len..end, new[i].clone())
                });
                attend(q, k, v, bias)
            }
            #[cfg(not(target_arch = "wasm32"))]
            Rows::Host { keys_values, shape: [heads, room, width] } => {
                let (old, now) = (*room, larger(*room));
                for (store, new) in keys_values.iter_mut().zip(new) {
                    if now > old {
                        *store = widened(store, *heads, [old * *width, now * *width]);
                    }
                    let new = new.into_data().convert::<f32>();
                    let new = new.as_slice::<f32>().unwrap_or_default();
                    let each = (end - len) * *width;
                    let heads = store.chunks_exact_mut(now * *width).zip(new.chunks_exact(each));
                    for (head, new) in heads {
                        head[len * *width..][..each].copy_from_slice(new);
                    }
                }
                *room = now;
                let [keys, values] = &*keys_values;
                attend_slices(q, [keys, values], [end, now], bias)
            }
        }
    }
}

/// Rows of each head with room for more behind them.
#[cfg(not(target_arch = "wasm32"))]
fn widened(store: &[f32], heads: usize, [old, now]: [usize; 2]) -> Vec<f32> {
    let mut wide = vec![0.0; heads * now];
    for (to, from) in wide.chunks_exact_mut(now).zip(store.chunks_exact(old)) {
        to[..old].copy_from_slice(from);
    }
    wide
}

fn write(store: &mut Tensor<4>, at: std::ops::Range<usize>, new: Tensor<4>) -> Tensor<4> {
    let end = at.end;
    // The store is moved out so that its buffer has one owner and is written in place.
    let owned = std::mem::replace(store, new.clone());
    *store = owned.slice_assign(s![.., .., at, ..], new);
    store.clone().slice(s![.., .., 0..end, ..])
}

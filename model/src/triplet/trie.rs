//! Token sequences of which one is to be written.

/// A tree of sequences, none of which is the beginning of another.
#[derive(Debug)]
pub(super) struct Trie<L> {
    nodes: Vec<Node<L>>,
}

#[derive(Debug)]
struct Node<L> {
    children: Vec<(u32, usize)>,
    leaf: Option<L>,
}

impl<L: Copy> Trie<L> {
    /// Where every sequence begins.
    pub(super) const ROOT: usize = 0;

    pub(super) fn new(sequences: impl IntoIterator<Item = (Vec<u32>, L)>) -> Self {
        let mut nodes = vec![Node { children: Vec::new(), leaf: None }];
        for (sequence, leaf) in sequences {
            let mut at = Self::ROOT;
            for id in sequence {
                at = match nodes[at].children.iter().find(|(child, _)| *child == id) {
                    Some(&(_, next)) => next,
                    None => {
                        let next = nodes.len();
                        nodes[at].children.push((id, next));
                        nodes.push(Node { children: Vec::new(), leaf: None });
                        next
                    }
                };
            }
            nodes[at].leaf = Some(leaf);
        }
        Self { nodes }
    }

    /// Where `id` leads from `node`.
    pub(super) fn step(&self, node: usize, id: u32) -> Option<usize> {
        self.nodes[node].children.iter().find(|(child, _)| *child == id).map(|&(_, next)| next)
    }

    /// What ends at `node`.
    pub(super) fn leaf(&self, node: usize) -> Option<L> {
        self.nodes[node].leaf
    }

    /// Fewest tokens from `node` to the end of the answer, where `cost` says how many follow a
    /// leaf.
    pub(super) fn cost(&self, node: usize, cost: &impl Fn(L) -> usize) -> usize {
        let node = &self.nodes[node];
        let below = node.children.iter().map(|&(_, child)| 1 + self.cost(child, cost));
        node.leaf.map(cost).into_iter().chain(below).min().unwrap_or(usize::MAX / 2)
    }

    /// The ids from which the end can be reached with at most `left` tokens, themselves included.
    pub(super) fn ids_within(
        &self,
        node: usize,
        left: usize,
        cost: &impl Fn(L) -> usize,
    ) -> Vec<u32> {
        let children = self.nodes[node].children.iter();
        children.filter(|(_, next)| self.cost(*next, cost) < left).map(|&(id, _)| id).collect()
    }
}

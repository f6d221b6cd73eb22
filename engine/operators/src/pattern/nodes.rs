//! The rows that attempts have matched: paths that share their beginnings, each from a row back to the first one.
//!
//! Everything is counted: a path is there as long as something follows it, and a row as long as a path has it or it waits for its turn. Letting go costs what
//! goes.

use crate::stream_join::bucket::NONE;

/// A row of a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Where the row is kept.
    pub(super) slot: u32,
    /// The event that the row is.
    pub(super) event: u16,
    /// The row matched before it, or [`NONE`].
    pub(super) parent: u32,
    /// The last row before it that is another event, or [`NONE`]: a way past rows that repeat an event.
    other: u32,
    /// The row's place among those of its key, in the order in which they are looked at.
    pub(super) place: u64,
    holders: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// By slot.
    row_holders: Vec<u32>,
    /// Rows that nothing holds any more.
    pub(super) gone: Vec<u32>,
}

impl Nodes {
    pub(super) fn get(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// Adds a row behind a path. Nothing holds it yet.
    pub(super) fn add(&mut self, slot: u32, event: u16, parent: u32, place: u64) -> u32 {
        self.hold_row(slot);
        self.hold(parent);
        let other = match self.nodes.get(parent as usize) {
            Some(before) if before.event == event => before.other,
            _ => parent,
        };
        let node = Node { slot, event, parent, other, place, holders: 0 };
        match self.free.pop() {
            Some(at) => {
                self.nodes[at as usize] = node;
                at
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        }
    }

    pub(super) fn hold(&mut self, node: u32) {
        if node != NONE {
            self.nodes[node as usize].holders += 1;
        }
    }

    /// Lets a path go by one who held it.
    pub(super) fn release(&mut self, mut node: u32) {
        while node != NONE {
            let at = &mut self.nodes[node as usize];
            at.holders -= 1;
            if at.holders > 0 {
                return;
            }
            node = self.remove(node);
        }
    }

    /// Lets a path go if nothing holds it.
    pub(super) fn drop_unheld(&mut self, node: u32) {
        if self.nodes[node as usize].holders == 0 {
            let parent = self.remove(node);
            self.release(parent);
        }
    }

    fn remove(&mut self, node: u32) -> u32 {
        let Node { slot, parent, .. } = self.nodes[node as usize];
        self.free.push(node);
        self.release_row(slot);
        parent
    }

    pub(super) fn hold_row(&mut self, slot: u32) {
        if self.row_holders.len() <= slot as usize {
            self.row_holders.resize(slot as usize + 1, 0);
        }
        self.row_holders[slot as usize] += 1;
    }

    pub(super) fn release_row(&mut self, slot: u32) {
        let holders = &mut self.row_holders[slot as usize];
        *holders -= 1;
        if *holders == 0 {
            self.gone.push(slot);
        }
    }

    /// A path, from its last row back.
    pub(super) fn path(&self, node: u32) -> Path<'_> {
        Path { nodes: self, at: node }
    }

    /// The rows of a path that are an event, from the last one back. What other events repeat is stepped over at once.
    pub(super) fn path_of(&self, node: u32, event: usize) -> impl Iterator<Item = &Node> {
        let mut at = node;
        std::iter::from_fn(move || {
            while at != NONE {
                let node = self.get(at);
                if usize::from(node.event) == event {
                    at = node.parent;
                    return Some(node);
                }
                at = node.other;
            }
            None
        })
    }

    /// Rows have got other slots: by old slot, the new one.
    pub(super) fn moved(&mut self, to: &[u32]) {
        for node in &mut self.nodes {
            // A node that is free may name a slot that is gone.
            node.slot = to.get(node.slot as usize).copied().unwrap_or(NONE);
        }
        let mut holders = Vec::new();
        for (old, &new) in to.iter().enumerate().filter(|(_, new)| **new != NONE) {
            if holders.len() <= new as usize {
                holders.resize(new as usize + 1, 0);
            }
            holders[new as usize] = self.row_holders.get(old).copied().unwrap_or_default();
        }
        self.row_holders = holders;
    }

    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + (self.free.capacity() + self.row_holders.capacity()) * 4
    }
}

/// See [`Nodes::path`].
pub(super) struct Path<'a> {
    nodes: &'a Nodes,
    at: u32,
}

impl<'a> Iterator for Path<'a> {
    type Item = &'a Node;

    fn next(&mut self) -> Option<&'a Node> {
        (self.at != NONE).then(|| {
            let node = self.nodes.get(self.at);
            self.at = node.parent;
            node
        })
    }
}

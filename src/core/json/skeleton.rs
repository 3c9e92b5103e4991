//! Skeletons: what is the same in all lines of one kind.
//!
//! A document is a run of *steps*: the text up to a value, and the type of the value. Steps of all documents
//! learnt so far form a tree, so that optional fields (a consumer when the key was known, an upstream when
//! it was asked) are branches. Matching a line walks the tree: compare the text, find the end of the value.
//!
//! Budget: about 0.5 µs for a line of 930 bytes and 45 values on one core; the tree is bounded, and started
//! afresh when traffic has changed so much that most lines miss it.

use super::{Captured, Kind, escapes_are_valid, number_end, string_end};

/// Nodes and bytes of text that the tree may hold.
const NODES_MAX: usize = 8_192;
const TEXT_MAX: usize = 1 << 20;
/// After so many lines, a tree that is full and misses more than half of them is dropped.
const REVIEW_LINES: u32 = 4_096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepKind {
    /// The text ends with the opening quote; the next step's begins with the closing one.
    String,
    Number,
    /// `true`, `false`, `null`: part of the text itself.
    Word(Kind),
    End,
}

/// One document as the strict parser saw it.
#[derive(Debug)]
pub(crate) struct Skeleton<S> {
    steps: Vec<Step<S>>,
}

#[derive(Clone, Copy, Debug)]
struct Step<S> {
    kind: StepKind,
    slot: Option<S>,
    /// The value's range; the text before it starts where the previous value ended.
    start: usize,
    end: usize,
}

impl<S> Default for Skeleton<S> {
    fn default() -> Self {
        Self { steps: Vec::new() }
    }
}

impl<S: Copy> Skeleton<S> {
    pub(super) fn string(&mut self, start: usize, end: usize, slot: Option<S>) {
        self.steps.push(Step { kind: StepKind::String, slot, start, end });
    }

    pub(super) fn number(&mut self, start: usize, end: usize, slot: Option<S>) {
        self.steps.push(Step { kind: StepKind::Number, slot, start, end });
    }

    /// Words that nobody wants are plain text of the next step.
    pub(super) fn word(&mut self, slot: Option<S>, kind: Kind, end: usize) {
        if slot.is_some() {
            self.steps.push(Step { kind: StepKind::Word(kind), slot, start: end, end });
        }
    }
}

#[derive(Debug)]
struct Node<S> {
    text: (u32, u32),
    kind: StepKind,
    slot: Option<S>,
    children: Vec<u32>,
}

/// The tree of all skeletons learnt.
#[derive(Debug)]
pub(crate) struct Skeletons<S> {
    nodes: Vec<Node<S>>,
    roots: Vec<u32>,
    text: Vec<u8>,
    lines: u32,
    misses: u32,
}

impl<S> Default for Skeletons<S> {
    fn default() -> Self {
        Self { nodes: Vec::new(), roots: Vec::new(), text: Vec::new(), lines: 0, misses: 0 }
    }
}

impl<S: Copy> Skeletons<S> {
    /// Captures the wanted values of `document` if it has the shape of one learnt before. On `false`, what was
    /// added to `out` is to be thrown away. `document` holds no control characters.
    #[inline]
    pub(crate) fn capture(&mut self, document: &[u8], out: &mut Vec<Captured<S>>) -> bool {
        self.lines += 1;
        let mut at = 0;
        let mut candidates = &self.roots;
        'steps: loop {
            for &index in candidates {
                let node = &self.nodes[index as usize];
                let text = &self.text[node.text.0 as usize..node.text.1 as usize];
                let Some(rest) = document.get(at..) else { break };
                if !rest.starts_with(text) {
                    continue;
                }
                let start = at + text.len();
                let (end, kind) = match node.kind {
                    StepKind::String => match string_end(document, start) {
                        Some((end, false)) => (end, Kind::Plain),
                        Some((end, true)) if escapes_are_valid(&document[start..end]) => (end, Kind::Escaped),
                        _ => continue,
                    },
                    StepKind::Number => match number_end(document, start) {
                        Some(end) => (end, Kind::Number),
                        None => continue,
                    },
                    StepKind::Word(kind) => (start, kind),
                    StepKind::End if start == document.len() => return true,
                    StepKind::End => continue,
                };
                if let Some(slot) = node.slot {
                    let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                    out.push(Captured { slot, kind, start: narrow(start), end: narrow(end) });
                }
                at = end;
                candidates = &node.children;
                continue 'steps;
            }
            self.misses += 1;
            return false;
        }
    }

    /// Adds the skeleton of a document that the strict parser accepted.
    pub(crate) fn learn(&mut self, document: &[u8], skeleton: &Skeleton<S>) {
        if self.nodes.len() >= NODES_MAX || self.text.len() >= TEXT_MAX {
            if self.lines >= REVIEW_LINES && self.misses > self.lines / 2 {
                *self = Self::default();
            } else {
                if self.lines >= REVIEW_LINES {
                    (self.lines, self.misses) = (0, 0);
                }
                return;
            }
        }
        let end = Step { kind: StepKind::End, slot: None, start: document.len(), end: document.len() };
        let mut parent = None;
        let mut from = 0;
        for step in skeleton.steps.iter().copied().chain([end]) {
            parent = Some(self.branch(parent, &document[from..step.start], step));
            from = step.end;
        }
    }

    fn branch(&mut self, parent: Option<u32>, text: &[u8], step: Step<S>) -> u32 {
        let children = parent.map_or(&self.roots, |parent| &self.nodes[parent as usize].children);
        let known = children.iter().copied().find(|&child| {
            let node = &self.nodes[child as usize];
            node.kind == step.kind && &self.text[node.text.0 as usize..node.text.1 as usize] == text
        });
        if let Some(child) = known {
            return child;
        }
        let narrow = |at: usize| u32::try_from(at).expect("the tree is bounded");
        let start = narrow(self.text.len());
        self.text.extend_from_slice(text);
        let child = narrow(self.nodes.len());
        let text = (start, narrow(self.text.len()));
        self.nodes.push(Node { text, kind: step.kind, slot: step.slot, children: Vec::new() });
        match parent {
            Some(parent) => self.nodes[parent as usize].children.push(child),
            None => self.roots.push(child),
        }
        child
    }
}

//! Which values of a document are wanted: JSON paths compiled into a small tree.

/// Where the parser stands: a node of the tree, or nowhere of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(u16);

impl Node {
    pub(crate) const ROOT: Self = Self(0);
    /// Below here nothing is wanted.
    pub(crate) const NOWHERE: Self = Self(u16::MAX);
}

/// Where a key leads: its own value may be wanted, or values inside it, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Child<S> {
    pub slot: Option<S>,
    pub node: Node,
}

impl<S> Child<S> {
    const NONE: Self = Self { slot: None, node: Node::NOWHERE };
}

/// Paths of wanted values. Keys of a path are compared as they are, except below a node marked
/// case-blind, where header names live.
#[derive(Debug)]
pub(crate) struct Layout<S> {
    nodes: Vec<Vec<(Box<str>, Child<S>)>>,
    case_blind: Vec<bool>,
}

impl<S: Copy> Layout<S> {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Vec::new()], case_blind: vec![false] }
    }

    /// Wants the value at `path` (keys from the root) as `slot`.
    pub(crate) fn want(&mut self, path: &[&str], slot: S) {
        let Some((last, parents)) = path.split_last() else { return };
        let parent = parents.iter().fold(Node::ROOT, |node, key| self.enter(node, key));
        self.child_mut(parent, last).slot = Some(slot);
    }

    /// Compares the keys directly below `path` without regard to case.
    pub(crate) fn blind_to_case(&mut self, path: &[&str]) {
        let node = path.iter().fold(Node::ROOT, |node, key| self.enter(node, key));
        self.case_blind[usize::from(node.0)] = true;
    }

    /// Where `key` below `node` leads.
    pub(crate) fn child(&self, node: Node, key: &str) -> Child<S> {
        let Some(children) = self.nodes.get(usize::from(node.0)) else { return Child::NONE };
        let blind = self.case_blind[usize::from(node.0)];
        let same = |name: &str| if blind { name.eq_ignore_ascii_case(key) } else { name == key };
        children.iter().find(|(name, _)| same(name)).map_or(Child::NONE, |(_, child)| *child)
    }

    fn enter(&mut self, node: Node, key: &str) -> Node {
        let next = self.child_mut(node, key).node;
        if next != Node::NOWHERE {
            return next;
        }
        let new = Node(u16::try_from(self.nodes.len()).expect("layouts are written by hand, and small"));
        self.nodes.push(Vec::new());
        self.case_blind.push(false);
        self.child_mut(node, key).node = new;
        new
    }

    fn child_mut(&mut self, node: Node, key: &str) -> &mut Child<S> {
        let children = &mut self.nodes[usize::from(node.0)];
        let at = children.iter().position(|(name, _)| &**name == key).unwrap_or_else(|| {
            children.push((key.into(), Child::NONE));
            children.len() - 1
        });
        &mut children[at].1
    }
}

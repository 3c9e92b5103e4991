//! Which route a request took: a trie over path segments, in which a literal segment beats a parameter and a
//! parameter beats a trailing `*`.
//!
//! Templates are written `/v1/orders/{id}`, `/v1/orders/:id` or `/v1/files/*`. The query, an empty last
//! segment and the case of the method make no difference; the case of the path does. There is no memo of
//! paths seen: walking the trie costs no more than hashing the path would.

use super::values::RouteValue;

/// The work that one look-up may do: templates full of parameters can be tried in many ways.
const STEPS_MAX: u32 = 4096;

#[derive(Default)]
struct Node {
    /// Sorted by segment.
    literals: Vec<(Box<str>, u32)>,
    parameter: Option<u32>,
    /// Routes that end here, and those that end in `*` here, in the order they were written.
    ends: Vec<u32>,
    rest: Vec<u32>,
}

#[derive(Default)]
pub(super) struct Routes {
    pub(super) list: Vec<RouteValue>,
    /// The first is the root; empty until a route is added.
    nodes: Vec<Node>,
}

impl Routes {
    pub(super) fn add(&mut self, route: RouteValue) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        let mut open_ended = false;
        for segment in segments(&route.template) {
            if segment == "*" || segment == "**" {
                open_ended = true;
                break;
            }
            at = self.child(at, segment);
        }
        let ix = super::distinct::code_of(self.list.len());
        let node = &mut self.nodes[at];
        if open_ended {
            node.rest.push(ix)
        } else {
            node.ends.push(ix)
        }
        self.list.push(route);
    }

    fn child(&mut self, parent: usize, segment: &str) -> usize {
        let fresh = super::distinct::code_of(self.nodes.len());
        let node = &mut self.nodes[parent];
        let child = if parameter_name(segment).is_some() {
            *node.parameter.get_or_insert(fresh)
        } else {
            match node.literals.binary_search_by(|(literal, _)| (**literal).cmp(segment)) {
                Ok(found) => node.literals[found].1,
                Err(place) => {
                    node.literals.insert(place, (segment.into(), fresh));
                    fresh
                }
            }
        };
        if child == fresh {
            self.nodes.push(Node::default());
        }
        child as usize
    }

    /// The best route for a request; of equals the first that `suits`, else the first.
    pub(super) fn find(&self, method: &str, path: &str, suits: impl Fn(&RouteValue) -> bool) -> Option<u32> {
        if self.nodes.is_empty() {
            return None;
        }
        let mut steps = STEPS_MAX;
        self.walk(0, without_query(path), &mut steps, &|routes: &[u32]| self.choose(routes, method, &suits))
    }

    /// Goes no deeper than the longest template, however long the path is.
    fn walk(&self, at: usize, path: &str, steps: &mut u32, choose: &impl Fn(&[u32]) -> Option<u32>) -> Option<u32> {
        *steps = steps.checked_sub(1)?;
        let node = &self.nodes[at];
        let found = match next_segment(path) {
            None => choose(&node.ends),
            Some((segment, rest)) => {
                let literal = node.literals.binary_search_by(|(literal, _)| (**literal).cmp(segment)).ok();
                let literal = literal.map(|found| node.literals[found].1);
                literal
                    .and_then(|child| self.walk(child as usize, rest, steps, choose))
                    .or_else(|| node.parameter.and_then(|child| self.walk(child as usize, rest, steps, choose)))
            }
        };
        found.or_else(|| if node.rest.is_empty() { None } else { choose(&node.rest) })
    }

    fn choose(&self, routes: &[u32], method: &str, suits: &impl Fn(&RouteValue) -> bool) -> Option<u32> {
        let of_method = |named: bool| {
            routes.iter().copied().filter(move |&ix| {
                let wanted = &self.list[ix as usize].method;
                if named { wanted.eq_ignore_ascii_case(method) } else { wanted.is_empty() }
            })
        };
        let best = |named: bool| {
            let suiting = of_method(named).find(|&ix| suits(&self.list[ix as usize]));
            suiting.or_else(|| of_method(named).next())
        };
        best(true).or_else(|| best(false))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let routes = self.list.iter().map(|route| size_of::<RouteValue>() + route.template.len() + route.method.len());
        let nodes = self.nodes.iter().map(|node| {
            let literals = node.literals.iter().map(|(text, _)| size_of::<(Box<str>, u32)>() + text.len());
            size_of::<Node>() + literals.sum::<usize>() + 4 * (node.ends.len() + node.rest.len())
        });
        routes.sum::<usize>() + nodes.sum::<usize>()
    }
}

/// Segments of a path or template, without its query.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = without_query(path);
    std::iter::from_fn(move || {
        let (segment, after) = next_segment(rest)?;
        rest = after;
        Some(segment)
    })
}

fn without_query(path: &str) -> &str {
    let end = memchr::memchr2(b'?', b'#', path.as_bytes()).unwrap_or(path.len());
    path.get(..end).unwrap_or(path)
}

/// The first segment that is not empty, and the path after it.
fn next_segment(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_start_matches('/');
    if path.is_empty() {
        return None;
    }
    Some(path.split_once('/').unwrap_or((path, "")))
}

/// The name of a parameter segment.
pub(super) fn parameter_name(segment: &str) -> Option<&str> {
    segment.strip_prefix(':').or_else(|| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// The position of the segment that holds parameter `name`, for a template that has it.
pub(super) fn parameter_position(template: &str, name: &str) -> Option<usize> {
    segments(template).position(|segment| parameter_name(segment) == Some(name))
}

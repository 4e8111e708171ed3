//! The reply to `CLUSTER NODES`: the nodes of a cluster as one of them sees them.

use std::io;

use crate::RedisServer;
use crate::settle::ensure;

/// One line of CLUSTER NODES.
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) flags: Vec<String>,
    /// The id of its primary; of a primary, `-`.
    pub(crate) primary: String,
    pub(crate) epoch: u64,
    /// First and last slot of each range.
    slots: Vec<(u16, u16)>,
}

impl Node {
    pub(crate) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it == flag)
    }

    pub(crate) fn owns(&self, slot: u16) -> bool {
        let mut ranges = self.slots.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&slot))
    }

    /// `id ip:port@bus flags primary pinged ponged epoch link slots…`
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (address, _bus) = words.get(1)?.split_once('@')?;
        let slots = words.get(8..)?.iter().filter_map(|range| {
            // `[slot->-id]` is one that is on its way.
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some(Self {
            id: words[0].to_owned(),
            port: address.rsplit_once(':')?.1.parse().ok()?,
            flags: words[2].split(',').map(str::to_owned).collect(),
            primary: words[3].to_owned(),
            epoch: words[6].parse().ok()?,
            slots: slots.collect(),
        })
    }
}

/// All nodes that this one knows, itself included.
pub(crate) fn nodes_of(server: &RedisServer) -> io::Result<Vec<Node>> {
    let answer = server.command(&["CLUSTER", "NODES"])?;
    let nodes: Vec<Node> = answer.lines().filter_map(Node::parse).collect();
    ensure(!nodes.is_empty(), || {
        format!(
            "CLUSTER NODES of {} makes no sense: {answer}",
            server.port()
        )
    })?;
    Ok(nodes)
}

/// What this node says of itself.
pub(crate) fn itself(server: &RedisServer) -> io::Result<Node> {
    let mut nodes = nodes_of(server)?.into_iter();
    nodes
        .find(|node| node.is("myself"))
        .ok_or_else(|| io::Error::other(format!("node {} does not know itself", server.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_slots_and_what_is_on_its_way() {
        let line = "07c3 127.0.0.1:3004@4004 myself,master - 0 1426238317239 4 connected \
                    0-5460 7000 [93-<-292f] [77->-e7d1]";
        let node = Node::parse(line).unwrap();
        assert_eq!((node.port, node.epoch), (3004, 4));
        assert!(node.is("myself") && node.is("master") && !node.is("fail"));
        assert!(node.owns(93) && node.owns(5460) && node.owns(7000));
        assert!(!node.owns(5461));
        assert!(Node::parse("07c3 127.0.0.1:3004@4004").is_none());
    }
}

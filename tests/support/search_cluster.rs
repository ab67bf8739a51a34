//! Three nodes of Elasticsearch or OpenSearch that are one cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, missing_debug_implementations, reason = "each test file uses a part of it")]

use std::fmt::Write as _;

use super::{
    process::free_port,
    redis_cluster::until,
    search::{Search, SearchServer, new_cluster},
};

/// Nodes each of which may be the master and has data; killed when dropped.
pub struct SearchCluster {
    /// All three.
    pub nodes: Vec<SearchServer>,
}

impl SearchCluster {
    /// Three nodes that have found each other, and leave out one that says nothing for some seconds.
    pub fn start(search: Search) -> Self {
        let started = (0..5).find_map(|_| Self::try_start(search));
        started.unwrap_or_else(|| panic!("three nodes of {} do not start", search.name()))
    }

    /// `http://127.0.0.1:port,…` with all of them.
    pub fn url(&self) -> String {
        self.nodes.iter().map(SearchServer::url).collect::<Vec<_>>().join(",")
    }

    /// The node with the primary copy of an index of one shard, by its place and by the word of another than `but`.
    pub fn primary(&self, alias: &str, but: Option<usize>) -> Option<usize> {
        let shards = self.ask(but, &format!("/_cat/shards/{alias}?h=prirep,id&format=json"))?;
        let primary = shards.as_array()?.iter().find(|shard| shard["prirep"] == "p")?;
        let nodes = self.ask(but, "/_cat/nodes?h=id,http&full_id=true&format=json")?;
        let node = nodes.as_array()?.iter().find(|node| node["id"] == primary["id"])?;
        self.place(node)
    }

    /// The node that the others have chosen.
    pub fn master(&self) -> Option<usize> {
        let nodes = self.ask(None, "/_cat/nodes?h=http,master&format=json")?;
        self.place(nodes.as_array()?.iter().find(|node| node["master"] == "*")?)
    }

    /// Waits until all nodes are there, and all copies on them, and each node by itself knows so.
    pub fn until_whole(&mut self) {
        let are_there = self.nodes.iter_mut().all(|node| node.until_health("wait_for_nodes=3&wait_for_status=green"));
        assert!(are_there, "a node has ended");
        until("the nodes agree", || {
            let path = "/_cluster/state/version,master_node?local=true";
            let mut states = self.nodes.iter().map(|node| node.try_get(path));
            let first = states.next().flatten();
            first.is_some() && states.all(|state| state == first)
        });
    }

    fn try_start(search: Search) -> Option<Self> {
        let addresses: Vec<_> = (0..3).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let cluster = new_cluster();
        let begin = |address: &String| {
            let port = address.rsplit(':').next().unwrap_or_default();
            let mut settings = format!(
                "transport.port: {port}\ndiscovery.seed_hosts: {addresses:?}\ncluster.initial_master_nodes: {addresses:?}\n"
            );
            // by themselves they take a minute and more to notice
            for check in ["follower_check", "leader_check"] {
                for setting in ["timeout: 1s", "retry_count: 2"] {
                    writeln!(settings, "cluster.fault_detection.{check}.{setting}").unwrap();
                }
            }
            settings.push_str("cluster.publish.timeout: 2s\n");
            SearchServer::begin(search, &cluster, &settings)
        };
        let mut nodes: Vec<_> = addresses.iter().map(begin).collect();
        nodes.iter_mut().all(|node| node.until_health("wait_for_nodes=3")).then_some(Self { nodes })
    }

    /// What a node other than `but` answers, if it does.
    fn ask(&self, but: Option<usize>, path: &str) -> Option<serde_json::Value> {
        let at = usize::from(but == Some(0));
        serde_json::from_str(&self.nodes[at].try_get(path)?.1).ok()
    }

    fn place(&self, node: &serde_json::Value) -> Option<usize> {
        let address = node["http"].as_str()?;
        self.nodes.iter().position(|node| node.url().ends_with(address))
    }
}

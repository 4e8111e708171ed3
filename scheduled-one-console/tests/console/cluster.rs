//! The page of the cluster: what nodes say of themselves.

use crate::world::World;

#[tokio::test(start_paused = true)]
async fn the_cluster_shows_how_far_clocks_are_off() {
    let world = World::new().await;
    world.knows_clocks().await;
    let off = [
        ("n-ahead", Some(2_300)),
        ("n-behind", Some(-90_000)),
        ("n-near", Some(-300)),
        ("n-older", None),
    ];
    for (name, offset_ms) in off {
        world.add_node_off(name, offset_ms).await;
    }
    let page = world.get("/cluster").await.is(200);
    let shown = [
        ("node-a", ">the same"),
        ("n-ahead", "2.3 s ahead</span>"),
        ("n-behind", "1 min 30 s behind</span>"),
        ("n-near", ">300 ms behind"),
        ("n-older", "not known"),
    ];
    for (name, words) in shown {
        let row = page.text.split("<tr>").find(|row| row.contains(name));
        let row = row.expect("a row");
        let cell = row.split("data-label=\"Its clock\"").nth(1);
        let cell = cell.and_then(|cell| cell.split("</td>").next());
        assert!(cell.expect("a cell").contains(words), "{name}: {row}");
        assert_eq!(
            row.contains("class=\"state warn\""),
            words.ends_with("</span>"),
            "{row}"
        );
    }
    let nodes = world.get("/api/v1/nodes").await.is(200).json();
    for node in nodes["nodes"].as_array().expect("nodes") {
        let name = node["name"].as_str().expect("a name");
        let expected = off.iter().find(|(of, _)| *of == name);
        let expected = expected.map_or(Some(0), |(_, ms)| *ms);
        assert_eq!(node["clock_offset_ms"].as_i64(), expected, "{name}");
    }
}

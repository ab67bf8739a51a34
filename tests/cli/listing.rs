//! `list`: the sessions of a user.

use super::place::{KEY, Place, id_of};

pub(crate) async fn list_shows_the_sessions_of_a_user_and_of_nobody_else(place: &Place) {
    let site = place.site(&[]);
    let first = place.visitor(&site, &["/login/ada"]).await;
    let second = place.visitor(&site, &["/note", "/login/ada"]).await;
    let _bob = place.visitor(&site, &["/login/bob"]).await;
    let _nobody = place.visitor(&site, &["/note"]).await;
    assert_eq!(place.ids("ada"), [id_of(&first), id_of(&second)]);
    assert_eq!(place.ids("bob").len(), 1);
    assert_eq!(place.ids("eve").len(), 0);

    let said = place.run(&["list", "--owner", "ada"]);
    assert_eq!((said.code, &*said.err, said.out.lines().count()), (0, "", 3));
    assert!(said.out.lines().nth(1).unwrap().starts_with(&id_of(&first)), "{}", said.out);
    let json = place.json(&["list", "--owner", "ada"]);
    let one = &json["sessions"][0];
    for time in ["created", "authenticated", "last_used"] {
        let time = one[time].as_str().unwrap();
        assert!(time.len() == 20 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    let said = place.run(&["list", "--owner", "eve"]);
    assert_eq!((said.code, &*said.out), (0, ""));
}

pub(crate) async fn an_owner_is_json_or_else_a_text(place: &Place) {
    let site = place.site(&[]);
    let _number = place.visitor(&site, &["/login/42"]).await;
    let _text = place.visitor(&site, &["/login/%2242%22"]).await;
    let _large = place.visitor(&site, &["/login/18446744073709551615"]).await;
    let (number, text) = (place.ids("42"), place.ids("\"42\""));
    assert_eq!((number.len(), text.len(), place.ids("18446744073709551615").len()), (1, 1, 1));
    assert_ne!(number, text);
    assert_eq!(place.ids(" 42 "), number);
}

pub(crate) async fn an_owner_who_is_nobody_is_2(place: &Place) {
    for nobody in ["", "null", "\"\""] {
        for command in ["list", "revoke"] {
            let said = place.run(&[command, "--owner", nobody]);
            assert_eq!(said.code, 2, "{}", said.err);
        }
    }
}

pub(crate) async fn a_label_commands_no_terminal(place: &Place) {
    let site = place.site(&[]);
    let _ada = place.visitor(&site, &["/login/ada"]).await;
    let said = place.run(&["list", "--owner", "ada"]);
    assert!(said.out.ends_with("\\u{1b}[2Jphone\\u{a}of \\u{202e}ada\n"), "{:?}", said.out);
    assert_eq!(place.json(&["list", "--owner", "ada"])["sessions"][0]["label"], "\u{1b}[2Jphone\nof \u{202e}ada");
}

pub(crate) async fn another_prefix_has_other_sessions(place: &Place) {
    let site = place.site(&[("SESSION_KEY_PREFIX", "shop:")]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    assert_eq!(place.ids("ada").len(), 0);
    let more = [("SESSION_KEY_PREFIX", "shop:")];
    let said = place.run_with(&["--json", "list", "--owner", "ada"], &more);
    assert_eq!(said.json()["sessions"][0]["id"], id_of(&ada));
    assert_eq!(place.run(&["inspect", &id_of(&ada)]).code, 1);
    assert_eq!(place.run_with(&["inspect", &id_of(&ada)], &more).code, 0);
}

pub(crate) async fn sealed_sessions_are_listed_by_who_has_the_key(place: &Place) {
    let more = [("SESSION_ENCRYPTION_KEYS", KEY)];
    let site = place.site(&more);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    let list = |more| place.run_with(&["--json", "list", "--owner", "ada"], more).json()["sessions"].clone();
    assert_eq!(list(&more)[0]["id"], id_of(&ada));
    assert_eq!(list(&[]), serde_json::json!([]));
    assert_eq!(place.run_with(&["revoke", "--owner", "ada"], &more).out, "1 session ended\n");
    assert_eq!(ada.get("/me").await.status, 401);
}

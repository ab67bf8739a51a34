//! `inspect`: what is in a session.

use super::place::{KEY, PRIVATE, Place, id_of};

pub(crate) async fn inspect_shows_names_and_no_values(place: &Place) {
    let site = place.site(&[]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    let id = id_of(&ada);
    let said = place.run(&["inspect", &id]);
    assert_eq!((said.code, &*said.err), (0, ""));
    for name in ["notes.text", "user.name", ".owner", ".label", &id, "expires", "created"] {
        assert!(said.out.contains(name), "{name}: {}", said.out);
    }
    let json = place.json(&["inspect", &id]);
    assert_eq!(json["id"], id);
    assert!(json["bytes"].as_u64().unwrap() > 50);
    assert!(json["fields"].as_array().unwrap().contains(&"notes.text".into()), "{json}");
    for said in [said.out, json.to_string()] {
        assert!(!said.contains(PRIVATE) && !said.contains("ada"), "{said}");
    }
}

pub(crate) async fn inspect_shows_values_if_asked_to(place: &Place) {
    let site = place.site(&[]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    let id = id_of(&ada);
    let said = place.run(&["inspect", &id, "--values"]);
    assert!(said.out.contains(&format!("notes.text = \"{PRIVATE}\"")), "{}", said.out);
    let json = place.json(&["inspect", &id, "--values"]);
    assert_eq!((&json["fields"]["notes.text"], &json["fields"]["user.name"]), (&PRIVATE.into(), &"ada".into()));
}

pub(crate) async fn a_value_is_shown_as_it_was_written(place: &Place) {
    let site = place.site(&[]);
    let id = id_of(&place.visitor(&site, &["/login/ada"]).await);
    let said = place.run(&["inspect", &id, "--values", "--json"]);
    assert!(said.out.contains(&format!("\"notes.large\":{}", u128::MAX)), "{}", said.out);
}

pub(crate) async fn a_session_that_is_not_there_is_1(place: &Place) {
    let said = place.run(&["inspect", &"0".repeat(32)]);
    assert_eq!((said.code, &*said.out), (1, ""));
    assert_eq!(said.err, "typed-session: there is no such session\n");
    let site = place.site(&[]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    assert_eq!(place.run(&["revoke", "--id", &id_of(&ada)]).code, 0);
    assert_eq!(place.json(&["inspect", &id_of(&ada)])["error"], "there is no such session");
}

pub(crate) async fn a_sealed_session_is_1_without_its_key(place: &Place) {
    let site = place.site(&[("SESSION_ENCRYPTION_KEYS", KEY)]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    let said = place.run(&["inspect", &id_of(&ada)]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("SESSION_ENCRYPTION_KEYS"), "{}", said.err);
    assert_eq!(place.run_with(&["inspect", &id_of(&ada)], &[("SESSION_ENCRYPTION_KEYS", KEY)]).code, 0);
}

pub(crate) async fn what_is_no_id_is_2_and_not_repeated(place: &Place) {
    let site = place.site(&[]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    // each output is looked through for the tokens of the visitors
    let token = ada.cookie("__Host-session").unwrap();
    for arguments in [&["inspect", &token][..], &["revoke", "--id", &token], &["--json", "inspect", &token]] {
        assert_eq!(place.run(arguments).code, 2);
    }
    assert_eq!(place.run(&["inspect", &id_of(&ada).to_uppercase()]).code, 2);
    assert_eq!(ada.get("/me").await.status, 200);
}

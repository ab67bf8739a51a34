//! `revoke`: the end of sessions.

use super::place::{KEY, Place, id_of};

pub(crate) async fn revoke_of_a_user_ends_all_sessions_of_that_user(place: &Place) {
    let site = place.site(&[]);
    let phone = place.visitor(&site, &["/login/ada"]).await;
    let laptop = place.visitor(&site, &["/login/ada"]).await;
    let bob = place.visitor(&site, &["/login/bob"]).await;
    let said = place.run(&["revoke", "--owner", "ada"]);
    assert_eq!((said.code, &*said.out, &*said.err), (0, "2 sessions ended\n", ""));
    assert_eq!((phone.get("/me").await.status, laptop.get("/me").await.status), (401, 401));
    assert_eq!(bob.get("/me").await.status, 200);
    assert_eq!(place.ids("ada").len(), 0);
    // and the user may come back
    assert_eq!(phone.get("/login/ada").await.status, 200);
    assert_eq!(place.json(&["revoke", "--owner", "ada"])["ended"], 1);
}

pub(crate) async fn revoke_of_an_id_ends_one_session(place: &Place) {
    let site = place.site(&[]);
    let phone = place.visitor(&site, &["/login/ada"]).await;
    let laptop = place.visitor(&site, &["/login/ada"]).await;
    let said = place.run(&["revoke", "--id", &id_of(&phone)]);
    assert_eq!((said.code, &*said.out), (0, "1 session ended\n"));
    assert_eq!((phone.get("/me").await.status, laptop.get("/me").await.status), (401, 200));
    assert_eq!(place.ids("ada"), [id_of(&laptop)]);
}

pub(crate) async fn revoke_of_an_id_ends_an_anonymous_session_too(place: &Place) {
    let site = place.site(&[]);
    let visitor = place.visitor(&site, &["/note"]).await;
    assert_ne!(visitor.get("/read").await.body, "");
    assert_eq!(place.json(&["revoke", "--id", &id_of(&visitor)])["ended"], 1);
    assert_eq!(visitor.get("/read").await.body, "");
}

pub(crate) async fn revoke_of_an_id_and_a_user_ends_no_session_of_another(place: &Place) {
    let site = place.site(&[]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    let nobody = place.visitor(&site, &["/note"]).await;
    for id in [id_of(&ada), id_of(&nobody)] {
        assert_eq!(place.json(&["revoke", "--owner", "bob", "--id", &id])["ended"], 0);
    }
    assert_eq!(ada.get("/me").await.status, 200);
    assert_ne!(nobody.get("/read").await.body, "");
    assert_eq!(place.json(&["revoke", "--owner", "ada", "--id", &id_of(&ada)])["ended"], 1);
    assert_eq!(ada.get("/me").await.status, 401);
}

pub(crate) async fn what_has_ended_already_is_not_counted_and_no_error(place: &Place) {
    let site = place.site(&[]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    for ended in [1, 0, 0] {
        assert_eq!(place.json(&["revoke", "--id", &id_of(&ada)])["ended"], ended);
    }
    let said = place.run(&["revoke", "--owner", "ada"]);
    assert_eq!((said.code, &*said.out), (0, "0 sessions ended\n"));
    assert_eq!(place.json(&["revoke", "--id", &"0".repeat(32)])["ended"], 0);
}

pub(crate) async fn an_unreadable_session_ends_by_its_id(place: &Place) {
    let site = place.site(&[("SESSION_ENCRYPTION_KEYS", KEY)]);
    let ada = place.visitor(&site, &["/login/ada"]).await;
    assert_eq!(place.json(&["revoke", "--id", &id_of(&ada)])["ended"], 1);
    assert_eq!(ada.get("/me").await.status, 401);
}

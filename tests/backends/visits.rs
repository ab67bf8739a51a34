//! The app of these tests: it counts a visitor's requests.

use actix_typed_session::{Session, SessionHandle};
use actix_web::web::{ServiceConfig, get};

#[derive(Default, Session)]
#[session(default)]
struct Visits {
    #[session(merge = "add")]
    count: u64,
}

pub(crate) fn routes(app: &mut ServiceConfig) {
    app.route("/none", get().to(|| async { "none" }))
        .route("/read", get().to(async |visits: Session<Visits>| visits.count.to_string()))
        .route(
            "/count",
            get().to(async |mut visits: Session<Visits>| {
                visits.count += 1;
                visits.count.to_string()
            }),
        )
        .route(
            "/rotate",
            get().to(async |_: Session<Visits>, session: SessionHandle| {
                session.rotate();
                "rotated"
            }),
        )
        .route(
            "/end",
            get().to(async |_: Session<Visits>, session: SessionHandle| {
                session.destroy();
                "ended"
            }),
        );
}

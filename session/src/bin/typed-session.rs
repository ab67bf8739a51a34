//! The command line. `typed-session --help` says what it does.

fn main() -> std::process::ExitCode {
    actix_typed_session::__private::run_cli()
}

//! [`Driver`] and [`Chromium`]: a real browser, driven over WebDriver.

use std::{
    env,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::{free_port, wait_until_up};

/// A running ChromeDriver, which starts browsers. All of them end with it.
pub struct Driver {
    keeper: Child,
    url: String,
    /// Where the browsers have their profiles.
    profiles: TempDir,
}

/// A browser with a profile of its own, which ends with the driver.
pub struct Chromium {
    session: String,
}

/// One of a browser's tabs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab(String);

/// What a condition is waited for at most: a machine under load is slow, and a test that fails may wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps the driver until standard input ends, which is when the test ends, however it does. A driver that is killed leaves
/// its browsers behind, and each of those has a process group of its own.
const KEEPER: &str = r#"
trap '' INT TERM
chromedriver --port="$0" >/dev/null 2>&1 &
read -r _
browsers=$(cat /proc/$!/task/*/children)
kill -9 $browsers $!
wait
rm -rf "$1"
"#;

/// Without connections that are kept: they belong to the runtime of one test.
static CLIENT: LazyLock<reqwest::Client> =
    LazyLock::new(|| reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client"));

impl Driver {
    /// What this machine lacks for a browser, if it lacks something.
    #[must_use]
    pub fn missing() -> Option<&'static str> {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_there = |name: &str| env::split_paths(&path).any(|folder| folder.join(name).is_file());
        match (is_there("chromium"), is_there("chromedriver")) {
            (false, _) => Some("no `chromium` here"),
            (_, false) => Some("no `chromedriver` here"),
            _ => None,
        }
    }

    /// Starts it on a free port.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[must_use]
    pub fn start() -> Self {
        let profiles = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, &port.to_string()])
            .arg(profiles.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let is_up = wait_until_up(&mut keeper, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(is_up, "`chromedriver` does not start");
        Self { keeper, url: format!("http://127.0.0.1:{port}"), profiles }
    }

    /// What [`Chromium::open`] takes: where it listens, and a folder for the profile.
    pub fn place(&self) -> (String, PathBuf) {
        let profile = tempfile::tempdir_in(self.profiles.path()).expect("a folder");
        (self.url.clone(), profile.keep())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Chromium {
    /// Opens a browser, another visitor's.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn open((driver, profile): (String, PathBuf)) -> Self {
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let options = json!({ "args": args });
        let asked = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let opened = send(CLIENT.post(format!("{driver}/session")).json(&asked)).await.expect("a browser");
        let id = opened["sessionId"].as_str().expect("an id");
        Self { session: format!("{driver}/session/{id}") }
    }

    /// As it was when it was opened: one tab, no cookie, the screen of a desktop. So it can be another visitor's.
    pub async fn forget(&self) {
        let tab = self.tab().await;
        let tabs = send(CLIENT.get(format!("{}/window/handles", self.session))).await.expect("tabs");
        for other in tabs.as_array().into_iter().flatten().filter_map(Value::as_str).filter(|other| *other != tab.0) {
            self.switch_to(&Tab(other.to_owned())).await;
            send(CLIENT.delete(format!("{}/window", self.session))).await.expect("it closes");
        }
        self.switch_to(&tab).await;
        self.go("about:blank").await;
        self.devtools("Network.clearBrowserCookies", json!({})).await;
        self.devtools("Network.clearBrowserCache", json!({})).await;
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [] })).await;
    }

    /// Loads a page in the current tab, and waits for it.
    pub async fn go(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// What a script returns that runs in the page as the body of a function.
    pub async fn script(&self, script: &str) -> Value {
        self.try_script(script).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same for a text.
    pub async fn text(&self, expression: &str) -> String {
        let value = self.script(&format!("return {expression}")).await;
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// What the first element that a selector finds shows.
    pub async fn text_of(&self, selector: &str) -> String {
        self.text(&format!("document.querySelector({}).innerText", json!(selector))).await
    }

    /// Waits until an expression is true, over the loading of pages.
    pub async fn until(&self, condition: &str) {
        let patience = Instant::now() + PATIENCE;
        loop {
            // while a page goes and another comes there may be none to ask
            let is_so = self.try_script(&format!("return Boolean({condition})")).await;
            if is_so == Ok(Value::Bool(true)) {
                return;
            }
            if Instant::now() > patience {
                let page = self.try_script("return location.href + '\\n' + document.body.innerText").await;
                panic!("never was so: {condition} ({is_so:?}) on {page:?}");
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// Waits until the page holds a text.
    pub async fn until_text(&self, text: &str) {
        self.until(&format!("document.readyState === 'complete' && document.body.innerText.includes({})", json!(text)))
            .await;
    }

    /// Clicks on the first element that a selector finds.
    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/click"), json!({})).await;
    }

    /// Clears an input and types a text into it.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/clear"), json!({})).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Presses keys one after the other, whatever has the focus. `\u{e004}` is Tab, `\u{e007}` Enter.
    pub async fn press(&self, keys: &str) {
        let mut actions = Vec::new();
        for key in keys.chars() {
            let key = key.to_string();
            actions.push(json!({ "type": "keyDown", "value": key }));
            actions.push(json!({ "type": "keyUp", "value": key }));
        }
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("actions", json!({ "actions": [keyboard] })).await;
    }

    /// Presses Tab until the element that a selector finds has the focus, as someone without a mouse does.
    ///
    /// # Panics
    ///
    /// If a hundred presses don't reach it.
    pub async fn tab_to(&self, selector: &str) {
        let has_focus = format!("return document.activeElement.matches({})", json!(selector));
        for _ in 0..100 {
            if self.script(&has_focus).await == Value::Bool(true) {
                return;
            }
            self.press("\u{e004}").await;
        }
        panic!("{selector} can't be reached by Tab");
    }

    /// The cookies of the page's origin, as the browser reports them.
    pub async fn cookies(&self) -> Vec<Value> {
        let cookies = send(CLIENT.get(format!("{}/cookie", self.session))).await.expect("cookies");
        cookies.as_array().cloned().unwrap_or_default()
    }

    /// One of them.
    pub async fn cookie(&self, name: &str) -> Option<Value> {
        self.cookies().await.into_iter().find(|cookie| cookie["name"] == name)
    }

    /// The current tab.
    pub async fn tab(&self) -> Tab {
        let handle = send(CLIENT.get(format!("{}/window", self.session))).await.expect("a tab");
        Tab(handle.as_str().expect("a handle").to_owned())
    }

    /// Another tab, which is the current one then.
    pub async fn new_tab(&self) -> Tab {
        let opened = self.post("window/new", json!({ "type": "tab" })).await;
        let tab = Tab(opened["handle"].as_str().expect("a handle").to_owned());
        self.switch_to(&tab).await;
        tab
    }

    /// Makes a tab the current one.
    pub async fn switch_to(&self, tab: &Tab) {
        self.post("window", json!({ "handle": tab.0 })).await;
    }

    /// Gives the current tab a screen of so many pixels, as a phone has.
    pub async fn phone(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Prefers `light` or `dark` colours.
    pub async fn prefers(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": [feature] })).await;
    }

    /// What the current tab shows, as a PNG.
    pub async fn picture(&self) -> Vec<u8> {
        let shown = send(CLIENT.get(format!("{}/screenshot", self.session))).await.expect("a picture");
        STANDARD.decode(shown.as_str().unwrap_or_default()).expect("base64")
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await;
    }

    async fn try_script(&self, script: &str) -> Result<Value, String> {
        let body = json!({ "script": script, "args": [] });
        send(CLIENT.post(format!("{}/execute/sync", self.session)).json(&body)).await
    }

    async fn find(&self, selector: &str) -> String {
        let found = self.post("element", json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().and_then(|element| element.values().next());
        id.and_then(Value::as_str).unwrap_or_else(|| panic!("no {selector}")).to_owned()
    }

    async fn post(&self, command: &str, body: Value) -> Value {
        let sent = CLIENT.post(format!("{}/{command}", self.session)).json(&body);
        send(sent).await.unwrap_or_else(|error| panic!("{command} {body}: {error}"))
    }
}

/// The value of an answer, or what it says of the failure.
async fn send(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let answer = request.timeout(3 * PATIENCE).send().await.map_err(|error| error.to_string())?;
    let is_done = answer.status().is_success();
    let mut body: Value = answer.json().await.map_err(|error| error.to_string())?;
    let value = body["value"].take();
    if is_done { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
}

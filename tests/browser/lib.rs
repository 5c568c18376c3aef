//! The harness of the browser tests: Debian's Chromium, driven by its own driver, on a desktop or a phone.
//!
//! Needs chromium and chromium-driver beside what the system tests need. Pictures of what was seen land
//! in `target/screenshots`.
#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test harness speaks and panics"
)]

use std::{
    fs,
    future::Future,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use thirtyfour::{
    By, Capabilities, CapabilitiesHelper, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver,
    WebElement,
};

/// Password of the administrator that [`Browser::set_up`] makes.
pub const PASSWORD: &str = "correct horse battery";

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(90);

/// What the page is looked at with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 1366 x 850.
    Desktop,
    /// 375 x 812, touch.
    Phone,
    /// As [`Screen::Desktop`], and pages run no scripts.
    Scriptless,
}

/// One browser with one page, on one instance.
#[derive(Debug)]
pub struct Browser {
    driver: WebDriver,
    process: Child,
    address: String,
    name: String,
    shots: u32,
}

/// Runs a journey in a browser; checks at its end that no page broke a rule of its own.
pub fn travel<F: Future<Output = Browser>>(
    address: String,
    screen: Screen,
    language: &str,
    name: &str,
    journey: impl FnOnce(Browser) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::open(address, screen, language, name).await;
        journey(browser).await.close().await;
    });
}

impl Browser {
    async fn open(address: String, screen: Screen, language: &str, name: &str) -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("chromedriver is needed (apt install chromium-driver): {e}"));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|l| l.split("successfully on port ").nth(1).map(|p| p.trim_end_matches('.').to_owned()))
            .unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities(screen, language)).await;
        let driver = driver.unwrap();
        Self { driver, process, address, name: name.to_owned(), shots: 0 }
    }

    async fn close(mut self) {
        let log = self.driver.get_log("browser").await.unwrap();
        let broken: Vec<String> = log
            .iter()
            .map(|entry| format!("{entry:?}"))
            // A form that comes back has a status that the browser writes down.
            .filter(|line| {
                !line.contains("Failed to load resource") && !line.contains("WebSocket connection to")
            })
            .collect();
        self.driver.clone().quit().await.unwrap();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        assert_eq!(broken, Vec::<String>::new(), "the pages broke rules");
    }

    /// The instance was started again and listens somewhere else.
    pub fn move_to(&mut self, address: String) {
        self.address = address;
    }

    /// Opens a path of the instance.
    pub async fn go(&self, path: &str) {
        self.driver.goto(format!("{}{path}", self.address)).await.unwrap();
    }

    /// The path that is shown.
    pub async fn path(&self) -> String {
        self.driver.current_url().await.unwrap().path().to_owned()
    }

    /// Waits for the first visible element.
    pub async fn find(&self, css: &str) -> WebElement {
        self.wait(css, async || {
            for element in self.driver.find_all(By::Css(css)).await.unwrap_or_default() {
                if element.is_displayed().await.unwrap_or(false) {
                    return Some(element);
                }
            }
            None
        })
        .await
    }

    /// Waits for an element that takes input without being seen.
    pub async fn find_hidden(&self, css: &str) -> WebElement {
        self.wait(css, async || self.driver.find(By::Css(css)).await.ok()).await
    }

    /// Clicks what a selector finds. An element that the page replaced meanwhile is looked up again.
    pub async fn click(&self, css: &str) {
        self.wait(css, async || self.find(css).await.click().await.ok()).await;
    }

    /// Clicks the visible link or button with these words.
    pub async fn press(&self, words: &str) {
        let path = format!("//main//*[self::a or self::button][normalize-space(.)='{words}']");
        self.wait(words, async || {
            for element in self.driver.find_all(By::XPath(path.as_str())).await.unwrap_or_default() {
                if element.is_displayed().await.unwrap_or(false) && element.click().await.is_ok() {
                    return Some(());
                }
            }
            None
        })
        .await;
    }

    /// Makes the first administrator; `finish` is the button's text.
    pub async fn set_up(&self, code: &str, finish: &str) {
        self.go("/").await;
        self.fill("#code", code).await;
        self.fill("#password", PASSWORD).await;
        self.fill("#again", PASSWORD).await;
        self.press(finish).await;
        self.find(".empty").await;
    }

    /// Types into a field, in place of what it holds.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Waits until the page shows a text.
    pub async fn see(&self, text: &str) {
        self.see_in("body", text).await;
    }

    /// Waits until a part of the page shows a text.
    pub async fn see_in(&self, css: &str, text: &str) {
        self.wait(text, async || {
            let shown = self.driver.find(By::Css(css)).await.ok()?.text().await.ok()?;
            shown.contains(text).then_some(())
        })
        .await;
    }

    /// Runs a script and gives what it returns.
    pub async fn script(&self, script: &str) -> serde_json::Value {
        self.driver.execute(script, vec![]).await.unwrap().json().clone()
    }

    /// Runs a script that calls back with what it found.
    pub async fn script_async(&self, script: &str) -> serde_json::Value {
        self.driver.execute_async(script, vec![]).await.unwrap().json().clone()
    }

    /// Takes a picture; the page must not be wider than the screen.
    pub async fn shot(&mut self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
        fs::create_dir_all(&folder).unwrap();
        self.shots += 1;
        let file = folder.join(format!("{}-{:02}-{name}.png", self.name, self.shots));
        self.driver.screenshot(&file).await.unwrap();
        let over = self.script("return document.documentElement.scrollWidth - window.innerWidth").await;
        assert!(over.as_i64().unwrap() <= 0, "{name}: the page is {over} px wider than the screen");
    }

    /// Asks again and again until there is an answer; every question is a round through the browser.
    async fn wait<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            if Instant::now() > end {
                let text = self.driver.find(By::Css("body")).await.unwrap().text().await.unwrap_or_default();
                panic!(
                    "{what}: not within {PATIENCE:?} at {}\n{text}",
                    self.driver.current_url().await.unwrap()
                );
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the browser is ended");
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn capabilities(screen: Screen, language: &str) -> Capabilities {
    let mut chrome = DesiredCapabilities::chrome();
    chrome.accept_insecure_certs(true).unwrap();
    let size = "--window-size=1366,850";
    let locale = format!("--accept-lang={language}");
    // Root in a closed network: no sandbox of its own, and nothing that looks for servers elsewhere.
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--no-first-run",
        "--hide-scrollbars",
        size,
        &locale,
    ] {
        chrome.add_arg(argument).unwrap();
    }
    if screen == Screen::Phone {
        let metrics = serde_json::json!({ "width": 375, "height": 812, "pixelRatio": 2, "touch": true });
        let emulation = serde_json::json!({ "deviceMetrics": metrics });
        chrome.add_experimental_option("mobileEmulation", emulation).unwrap();
    }
    if screen == Screen::Scriptless {
        let settings = serde_json::json!({ "profile.managed_default_content_settings.javascript": 2 });
        chrome.add_experimental_option("prefs", settings).unwrap();
    }
    let mut all = Capabilities::from(chrome);
    all.set("goog:loggingPrefs", serde_json::json!({ "browser": "WARNING" })).unwrap();
    all
}

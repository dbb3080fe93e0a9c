//! An nginx of a test's own, to compare with.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{Instant, timeout},
};

use crate::client::{ANSWER_MAX, Answer, parse};

/// An nginx over one file, on a socket in a folder of its own.
pub(crate) struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
}

// === impl Nginx ===

impl Nginx {
    /// Serves these bytes, last modified then, as `/file`.
    pub(crate) async fn start(bytes: &[u8], modified: std::time::SystemTime) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display();
        fs::create_dir(folder.path().join("root")).unwrap();
        let file = fs::File::create(folder.path().join("root/file")).unwrap();
        fs::write(folder.path().join("root/file"), bytes).unwrap();
        file.set_modified(modified).unwrap();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {place}/{kind};"))
            .concat();
        // Without a master process it stays the user that started it, who can read the folder.
        let config = format!(
            "daemon off; master_process off; pid {place}/pid; error_log stderr crit;
             events {{ worker_connections 64; }}
             http {{
               access_log off; {temporary} default_type video/mp4; if_modified_since before; keepalive_timeout 0;
               server {{ listen unix:{place}/socket; root {place}/root; }}
             }}"
        );
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let mut command = Command::new(program());
        command.arg("-c").arg(folder.path().join("nginx.conf")).arg("-p").arg(folder.path());
        let child = command.args(["-e", "stderr"]).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut this = Self { child: child.expect("nginx is installed (scripts/setup.sh test)"), folder };
        let began = Instant::now();
        while UnixStream::connect(this.socket()).await.is_err() {
            assert!(this.child.try_wait().unwrap().is_none(), "nginx ended");
            assert!(began.elapsed() < ANSWER_MAX, "nginx does not listen");
            tokio::task::yield_now().await;
        }
        this
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// A request for the file.
    pub(crate) async fn ask(&self, method: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
        let request = format!("{method} /file HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n");
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        timeout(ANSWER_MAX, stream.read_to_end(&mut bytes)).await.expect("an answer in time").unwrap();
        parse(&bytes)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian keeps it where only root looks.
fn program() -> &'static str {
    if PathBuf::from("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
}

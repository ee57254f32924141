//! The web server: nginx on port 8080, without root.
//!
//! Mount a directory over `/etc/nginx/conf.d` to configure servers, over `/usr/share/nginx/html`
//! to serve files. It writes only below `/tmp`.

use super::base::{self, Account};
use super::words;
use crate::archive::Settings;
use crate::debian::{Ingredients, Package};
use crate::error::Error;
use crate::libraries;
use crate::tree::Tree;

const NGINX: Account = Account { name: "nginx", number: 101, home: "/nonexistent" };

/// What it is made of.
pub const INGREDIENTS: Ingredients = Ingredients {
    seeds: &["nginx", "busybox-static"],
    parts: &["nginx-common", "gcc-12-base", "zlib1g"],
    without: &[],
};

/// Its files, from those packages, and how it starts.
pub fn recipe(packages: &[Package]) -> Result<(Tree, Settings), Error> {
    let mut tree = base::skeleton(&[NGINX])?;
    base::add_below(&mut tree, packages, "nginx", "usr/sbin/")?;
    base::add_below(&mut tree, packages, "nginx-common", "usr/share/nginx/html/")?;
    base::add_below(&mut tree, packages, "nginx-common", "etc/nginx/mime.types")?;
    libraries::add_needed(&mut tree, packages)?;
    base::add_busybox(&mut tree, packages)?;
    tree.file("etc/nginx/nginx.conf", 0o644, include_str!("files/nginx.conf"))?;
    tree.file("etc/nginx/conf.d/default.conf", 0o644, include_str!("files/nginx-default.conf"))?;
    let settings = Settings {
        entrypoint: words(&["/usr/sbin/nginx"]),
        command: words(&["-e", "stderr", "-g", "daemon off;"]),
        user: format!("{0}:{0}", NGINX.number),
        ports: vec![8080],
        ..Settings::default()
    };
    Ok((tree, settings))
}

//! Every document of small films, word for word, and what must hold of them for any film.

#[cfg(test)]
mod documents {
    mod check;
    mod films;
    mod golden;
    mod hls;
    mod mpd;
    mod rates;
    mod storyboard;
}

//! The dashboard's files, as browsers ask for them.

use reqwest::{Method, StatusCode};

use super::Service;

#[tokio::test]
async fn every_page_is_one_document_that_names_files_which_are_kept_for_good() {
    let service = Service::start().await;
    let document = service.get("/").await;
    assert_eq!(document.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(document.headers()["cache-control"], "no-cache");
    let document = document.text().await.unwrap();
    for page in
        ["/now", "/diagnose", "/diagnose/key/a", "/incidents/1", "/entity/key/a", "/reports/b", "/sql", "/audit"]
    {
        assert_eq!(service.get(page).await.text().await.unwrap(), document, "{page}");
    }
    let named = document.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next());
    let mut files = 0;
    for file in named {
        let answer = service.get(&format!("/assets/{file}")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
        assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"), "{file}");
        files += 1;
    }
    assert!(files >= 3, "{document}");
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again_and_text_is_compressed() {
    let service = Service::start().await;
    let answer = service.get("/assets/js/main.js").await;
    assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(answer.headers()["cache-control"], "no-cache");
    let tag = answer.headers()["etag"].clone();
    let again = service.request(Method::GET, "/assets/js/main.js").header("if-none-match", tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(again.bytes().await.unwrap().is_empty());
    for coding in ["gzip", "zstd"] {
        let packed = service.request(Method::GET, "/assets/js/main.js").header("accept-encoding", coding).send().await;
        assert_eq!(packed.unwrap().headers()["content-encoding"], coding);
    }
    for nothing in ["/assets/js/none.js", "/assets/../Cargo.toml", "/assets/index.html"] {
        assert_eq!(service.get(nothing).await.status(), StatusCode::NOT_FOUND, "{nothing}");
    }
}

"""What runs in a page: an npm package of ES modules, and the scripts that are built from it.

docs/reference/browser.md says what there is; here is only Python that builds it (`build`) and
that writes a page's head (`embedding`).
"""

"""What stands above a page leads to pages that are there, and are really above it."""

from __future__ import annotations

from urllib.parse import urlsplit

from web.browsing import PageFound, Visitor

SCHOOL = "/studies/school-health"
ABOVE = {
    f"{SCHOOL}/harms": [SCHOOL],
    f"{SCHOOL}/harms/shaming": [SCHOOL, f"{SCHOOL}/harms"],
    f"{SCHOOL}/harms/shaming/edit": [SCHOOL, f"{SCHOOL}/harms", f"{SCHOOL}/harms/shaming"],
    f"{SCHOOL}/harms/shaming/propose": [SCHOOL, f"{SCHOOL}/harms", f"{SCHOOL}/harms/shaming"],
    f"{SCHOOL}/harms/shaming/history": [SCHOOL, f"{SCHOOL}/harms", f"{SCHOOL}/harms/shaming"],
    f"{SCHOOL}/harms/shaming/dissent": [SCHOOL, f"{SCHOOL}/harms", f"{SCHOOL}/harms/shaming"],
    f"{SCHOOL}/harms/shaming/try": [SCHOOL, f"{SCHOOL}/harms", f"{SCHOOL}/harms/shaming"],
    f"{SCHOOL}/harms/shaming/sort": [SCHOOL, f"{SCHOOL}/harms", f"{SCHOOL}/harms/shaming"],
    f"{SCHOOL}/harms/new": [SCHOOL, f"{SCHOOL}/harms"],
    f"{SCHOOL}/harms/shaming/questions": [SCHOOL, f"{SCHOOL}/harms", f"{SCHOOL}/harms/shaming"],
    f"{SCHOOL}/charter/edit": [SCHOOL],
    f"{SCHOOL}/charter/propose": [SCHOOL],
    f"{SCHOOL}/charter/history": [SCHOOL],
    f"{SCHOOL}/map": [SCHOOL],
    f"{SCHOOL}/proposals": [SCHOOL],
    f"{SCHOOL}/evidence/import": [SCHOOL, f"{SCHOOL}/evidence"],
    f"{SCHOOL}/evidence/caught": [SCHOOL, f"{SCHOOL}/evidence"],
    f"{SCHOOL}/cases/inhaler-before-pe-1": [SCHOOL, f"{SCHOOL}/cases"],
    f"{SCHOOL}/cases/inhaler-before-pe-1/edit": [
        SCHOOL,
        f"{SCHOOL}/cases",
        f"{SCHOOL}/cases/inhaler-before-pe-1",
    ],
    f"{SCHOOL}/review": [SCHOOL],
    f"{SCHOOL}/orders": [SCHOOL],
    f"{SCHOOL}/orders/generate": [SCHOOL, f"{SCHOOL}/orders"],
    f"{SCHOOL}/releases/new": [SCHOOL, f"{SCHOOL}/releases"],
    f"{SCHOOL}/people": [SCHOOL],
    f"{SCHOOL}/explore": [SCHOOL],
    f"{SCHOOL}/findings": [SCHOOL],
    "/glossary": [],
}


def crumbs(page: PageFound) -> list[str]:
    """The addresses of what stands above a page."""
    begun = page.source.partition('<nav class="crumbs"')[2].partition("</nav>")[0]
    return PageFound(begun).links


def test_crumbs_are_the_pages_above_and_each_is_there(school: Visitor) -> None:
    for path, above in ABOVE.items():
        assert crumbs(school.get(path)) == above, path
        for link in above:
            school.get(urlsplit(link).path)


def test_an_editor_that_found_something_wrong_stands_where_it_stood(school: Visitor) -> None:
    path = f"{SCHOOL}/harms/shaming/edit"
    answer = school.send(path, school.get(path).form("/edit").filled(title=""))
    assert answer.status_code == 422
    page = PageFound(answer.text)
    assert crumbs(page) == ABOVE[path]
    assert f"{SCHOOL}/harms/shaming" in page.links

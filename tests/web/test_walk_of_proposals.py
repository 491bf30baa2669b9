"""What somebody proposes meets what others changed meanwhile: with JavaScript and without."""

from __future__ import annotations

from typing import Any

import pytest

from web.chromium import NEEDED, accessible, invited, opened

SCHOOL = "/studies/school-health"
pytestmark = NEEDED


@pytest.mark.parametrize("scripts", [True, False])
def test_a_rater_proposes_a_change_that_is_overtaken_and_an_expert_puts_both_together(
    browser: Any, server: str, scripts: bool
) -> None:
    lead = opened(browser, server, java_script_enabled=scripts)
    rater = invited(browser, server, lead, f"Rater {scripts}", "rater", scripts=scripts)
    expert = invited(browser, server, lead, f"Expert {scripts}", "expert", scripts=scripts)
    harm = f"{SCHOOL}/harms/needless-refusal"
    rater.goto(f"{harm}/propose")
    rater.get_by_label("Title").fill(f"Turned away {scripts}")
    rater.get_by_label("Background").fill("It tells people that their question was wrong.")
    rater.get_by_label("Why this change").fill("plainer")
    rater.get_by_role("button", name="Propose this change").click()
    rater.wait_for_url("**/proposals/*?said=proposed")
    accessible(rater, scripts)
    lead.goto(f"{harm}/edit")
    lead.get_by_label("Title").fill(f"Refusing without need {scripts}")
    lead.locator("main form button.main").last.click()
    lead.wait_for_url("**/harms/needless-refusal?said=saved")
    expert.goto(rater.url)
    accessible(expert, scripts)
    expert.get_by_role("link", name="Choose what stands where both changed").click()
    accessible(expert, scripts)
    expert.get_by_text("Write it", exact=True).click()
    expert.get_by_label("Title").fill(f"Turned away without need {scripts}")
    expert.get_by_label("Take what I write below").check()
    expert.get_by_role("button", name="Accept this").click()
    expert.wait_for_url("**/proposals/*?said=change-accepted")
    expert.goto(harm)
    words = expert.text_content("main") or ""
    assert f"Turned away without need {scripts}" in words and "their question was wrong" in words
    assert f"by Rater {scripts}" in words and f"accepted with changes by Expert {scripts}" in words


@pytest.mark.parametrize("scripts", [True, False])
def test_a_rater_proposes_a_user_and_another_name_is_chosen_where_it_was_taken(
    browser: Any, server: str, scripts: bool
) -> None:
    lead = opened(browser, server, java_script_enabled=scripts, bypass_csp=True)
    rater = invited(browser, server, lead, f"Second rater {scripts}", "rater", scripts=scripts)
    rater.goto(f"{SCHOOL}/personas")
    rater.get_by_role("link", name="Propose a new kind of user").click()
    accessible(rater, scripts)
    rater.get_by_label("Title").fill(f"Sibling {scripts}")
    rater.get_by_label("Where this user comes from").select_option("synthetic")
    rater.get_by_label("Why it is needed").fill("Siblings ask too.")
    rater.get_by_role("button", name="Propose it").click()
    rater.wait_for_url("**/proposals/*?said=proposed")
    lead.goto(f"{SCHOOL}/personas/new")
    lead.get_by_label("Title").fill(f"Sibling {scripts}")
    lead.get_by_label("Where this user comes from").select_option("expert_authored")
    lead.get_by_role("button", name="Save").click()
    lead.wait_for_url("**/personas/sibling-*")
    lead.goto(rater.url)
    lead.get_by_role("button", name="Accept", exact=True).click()
    assert "already; choose another" in (lead.text_content("main") or "")
    accessible(lead, scripts)
    lead.get_by_label("Short name").fill(f"other-{scripts}")
    lead.get_by_role("button", name="Accept", exact=True).click()
    lead.wait_for_url("**/proposals/*?said=change-accepted")
    lead.get_by_role("link", name=f"Sibling {scripts}").click()
    assert f"Second rater {scripts}" in (lead.text_content("main") or "")

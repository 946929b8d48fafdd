// The keys of the review queue. Each presses what bears it in `data-key`; without this script, the buttons remain.
"use strict";

const OFF = "gleaner.review.keys.off";
const SWITCH = document.getElementById("review-keys-on");

function isTyping(target) {
    return target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

function remembered() {
    try {
        return localStorage.getItem(OFF) === null;
    } catch {  // the browser keeps nothing for this site
        return true;
    }
}

function remember(on) {
    try {
        if (on) {
            localStorage.removeItem(OFF);
        } else {
            localStorage.setItem(OFF, "1");
        }
    } catch {
        // It is then forgotten with the page.
    }
}

function press(element) {
    if (element.matches("input")) {
        element.focus();
    } else if (element.matches("summary")) {
        element.click();
        focusInside(element.parentElement);
    } else {
        element.click();
    }
}

// A text that was opened is meant to be written in.
function focusInside(details) {
    const field = details.querySelector("textarea");
    if (field !== null && details.open) {
        field.focus();
        field.setSelectionRange(0, 0);
    }
}

function onKey(event) {
    const field = event.target;
    if (event.key === "Escape" && isTyping(field)) {
        field.blur();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.form?.id === "judgment") {
        field.form.requestSubmit(field.closest("details")?.querySelector("button"));
    } else if (!(event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(field)) && SWITCH?.checked !== false) {
        const element = [...document.querySelectorAll("[data-key]")].find((each) => each.dataset.key.split(" ").includes(event.key));
        if (element !== undefined) {
            event.preventDefault();
            press(element);
        }
    }
}

// One press is one judgment, however slow the answer. What was typed is not lost by a key for another page.
function guard(form) {
    let isSent = false;
    let isChanged = false;
    form.addEventListener("input", () => {
        isChanged = true;
    });
    form.addEventListener("submit", (event) => {
        if (isSent) {
            event.preventDefault();
        }
        isSent = true;
    });
    window.addEventListener("beforeunload", (event) => {
        if (isChanged && !isSent) {
            event.preventDefault();
        }
    });
    window.addEventListener("pageshow", () => {
        isSent = false;  // the browser's Back brought the page as it was
    });
}

if (SWITCH !== null) {
    SWITCH.checked = remembered();
    SWITCH.closest("p").hidden = false;
    SWITCH.addEventListener("change", () => remember(SWITCH.checked));
}
document.querySelectorAll(".review form[method=post]").forEach(guard);
document.addEventListener("keydown", onKey);

"""Routes that change while everything runs: who answers, who else is asked, and who steps in."""

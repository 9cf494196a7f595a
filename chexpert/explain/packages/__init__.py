"""Attribution methods of other packages, as their users run them, behind the protocol of this project."""

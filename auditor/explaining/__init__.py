"""``auditor.explain``: attribution maps of images in any form, and how they are drawn."""

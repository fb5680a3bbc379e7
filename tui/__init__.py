"""What people see: the application, its screens and widgets, and the pure presentation that feeds them."""

Feature: Orders
  Ownr: payments-team
  Purpose: to show
  Purpose: to show again

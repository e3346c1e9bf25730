#include <stdio.h>

int main(void) {
    long n;
    while (scanf("%ld", &n) == 1)
        puts(n == 2 || (n > 2 && n % 2) ? "prime" : "composite");
    return 0;
}
